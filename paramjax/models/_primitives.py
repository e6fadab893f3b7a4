"""JAX primitives of our own, behind typed functions: JAX's calls that make them have no types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
from jax.interpreters import ad, batching, mlir

from paramjax._types import Array

if TYPE_CHECKING:
    from jax.extend.core import Primitive as Primitive
else:  # of the same type, whose module takes 50 ms to import
    Primitive = type(jax.lax.add_p)


def new_primitive(
    name: str,
    shape: Callable[..., Any],
    batched: Callable[..., tuple[Array, Any]],
    *,
    static: Sequence[str] = (),
) -> Primitive:
    """A primitive of one result, with `batched(primitive, values, axes, ...)` as rule for vmap."""
    primitive: Any = Primitive(name)
    primitive.def_abstract_eval(shape)
    compiled = jax.jit(primitive.bind, static_argnames=static)

    def computed(*operands: Array, **parameters: Any) -> Array:
        with jax.disable_jit(False):  # it has no other form than a compiled one
            result: Array = compiled(*operands, **parameters)
            return result

    primitive.def_impl(computed)
    batching.primitive_batchers[primitive] = partial(batched, primitive)
    made: Primitive = primitive
    return made


def bind(primitive: Primitive, *operands: Array, **parameters: Any) -> Array:
    """The result of a primitive."""
    untyped: Any = primitive
    result: Array = untyped.bind(*operands, **parameters)
    return result


def transpose_linear(primitive: Primitive, rule: Callable[..., Sequence[Array]]) -> None:
    """Differentiate a primitive that is linear in all operands: `(gradient, *operands) -> ...`."""
    register: Any = ad.deflinear2
    register(primitive, rule)


def transpose_bilinear(
    primitive: Primitive, left: Callable[..., Array], right: Callable[..., Array]
) -> None:
    """Differentiate a primitive that is linear in each of two operands, by a rule for each."""
    register: Any = ad.defbilinear
    register(primitive, left, right)


def lower(primitive: Primitive, platform: str | None, form: Callable[..., Any]) -> None:
    """Compute a primitive by functions of jax.numpy, on one platform or (None) on all others."""
    rule = mlir.lower_fun(form, multiple_results=False)
    mlir.register_lowering(primitive, rule, platform=platform)
