"""How a primitive of our own is computed, told for each platform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jax.extend.core import Primitive
from jax.interpreters import mlir


def lower(primitive: Primitive, platform: str | None, form: Callable[..., Any]) -> None:
    """Let a platform compute a primitive by functions of jax.numpy.

    Args:
        primitive: It has one result.
        platform: As JAX calls it, None for all that are not told.
        form: Takes the primitive's operands and parameters.

    Example:
        >>> import jax
        >>> from jax.core import ShapedArray
        >>> double = Primitive("double")
        >>> _ = double.def_abstract_eval(lambda x: ShapedArray(x.shape, x.dtype))
        >>> lower(double, None, lambda x: 2 * x)
        >>> jax.jit(double.bind)(3).item()
        6
    """
    rule = mlir.lower_fun(form, multiple_results=False)
    mlir.register_lowering(primitive, rule, platform=platform)
