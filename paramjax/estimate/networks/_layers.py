"""The layers of any pure function of parameters: their inputs, and a place to disturb them.

A Kronecker-factored curvature needs, of each layer `a W + b`, its input `a` and the gradient with
respect to its output. The traced function is evaluated equation by equation: a product with a leaf
of the parameters is a layer, and a vector that is added to the product is its bias. A convolution
is a layer of its patches. So it makes no difference which library wrote the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

from paramjax._types import Array, Params
from paramjax.estimate.networks._patches import patches_of

_SAME = {
    "convert_element_type",
    "copy",
    "optimization_barrier",
    "reduce_precision",
    "sharding_constraint",
    "unfused",
}
"""Operations whose result is their operand."""

_CALLS = {"jit", "pjit", "closed_call", "core_call", "remat", "remat2", "checkpoint"}


class Layer(NamedTuple):
    """A layer `a W + b`.

    Attributes:
        kernel: Index of the leaf W, [inputs, outputs], or with several axes of inputs.
        bias: Index of the leaf b, [outputs]; None without.
        inputs: Width of `a`.
        outputs: Width of the layer.
        transposed: Whether the leaf is [outputs, inputs] instead.
    """

    kernel: int
    bias: int | None
    inputs: int
    outputs: int
    transposed: bool


class _Leaf(NamedTuple):
    """A value that is a leaf of the parameters, or its transpose."""

    leaf: int
    transposed: bool = False


class _Product(NamedTuple):
    """A value that is the output of a layer, with its bias or before it."""

    layer: int
    biased: bool = False


@dataclass
class Walk:
    """What an evaluation found.

    Attributes:
        taps: Values to add to the outputs of the layers, in their order; none for an evaluation
            that only looks.
        layers: In the order in which the function evaluates them.
        inputs: Of each layer, [..., inputs].
        shapes: Of each layer's output, with its dtype.
        others: Leaf index -> the operation that uses it otherwise.
        read: Layers whose product is used before any bias is added.
    """

    taps: Sequence[Array] = ()
    layers: list[Layer] = field(default_factory=list)
    inputs: list[Array] = field(default_factory=list)
    shapes: list[jax.ShapeDtypeStruct] = field(default_factory=list)
    others: dict[int, str] = field(default_factory=dict)
    read: set[int] = field(default_factory=set)


def walk(
    apply_fn: Callable[..., Any], params: Params, x: Any, taps: Sequence[Array] = ()
) -> tuple[Array, Walk]:
    """The outputs with the taps added inside, and the layers."""
    found = Walk(taps)
    program = jax.make_jaxpr(apply_fn)(params, x)
    leaves = jax.tree.leaves(params)
    values = [*leaves, *jax.tree.leaves(x)]
    marks = [_Leaf(i) for i in range(len(leaves))] + [None] * (len(values) - len(leaves))
    outputs, _ = _evaluate(program.jaxpr, program.consts, values, marks, found)
    return outputs[0], found


def tapped(
    apply_fn: Callable[..., Any], params: Params, x: Any
) -> tuple[Array, list[Array], Callable[[Array], tuple[list[Array]]]]:
    """Outputs [batch, k], inputs of the layers, and the pull-back to the layers' outputs."""
    taps = [jnp.zeros(one.shape, one.dtype) for one in find_layers(apply_fn, params, x).shapes]

    def disturbed(taps: list[Array]) -> tuple[Array, list[Array]]:
        outputs, found = walk(apply_fn, params, x, taps)
        return outputs.reshape(outputs.shape[0], -1), found.inputs

    outputs, pull, inputs = jax.vjp(disturbed, taps, has_aux=True)
    return outputs, inputs, pull


def find_layers(apply_fn: Callable[..., Any], params: Params, x: Any) -> Walk:
    """The layers without their values, at no cost but tracing."""
    found: list[Walk] = []

    def look(params: Params, x: Any) -> None:
        seen = walk(apply_fn, params, x)[1]
        found.append(Walk((), seen.layers, [], seen.shapes, seen.others))

    jax.eval_shape(look, params, x)
    return found[0]


def _evaluate(
    jaxpr: Any, consts: Sequence[Any], values: Sequence[Any], marks: Sequence[Any], found: Walk
) -> tuple[list[Any], list[Any]]:
    """The values of a program, and what each of them is a mark of."""
    known = dict(zip(jaxpr.constvars, ((c, None) for c in consts), strict=True))
    known.update(zip(jaxpr.invars, zip(values, marks, strict=True), strict=True))

    def read(variable: Any) -> tuple[Any, Any]:
        return (variable.val, None) if isinstance(variable, Literal) else known[variable]

    for equation in jaxpr.eqns:
        given = [read(variable) for variable in equation.invars]
        ins, own = [value for value, _ in given], [mark for _, mark in given]
        outs, made = _equation(equation, ins, own, found)
        known.update(zip(equation.outvars, zip(outs, made, strict=True), strict=True))
    ends = [read(variable) for variable in jaxpr.outvars]
    return [value for value, _ in ends], [mark for _, mark in ends]


def _equation(
    equation: Any, values: list[Any], marks: list[Any], found: Walk
) -> tuple[list[Any], list[Any]]:
    """One operation: into a called program, a layer, a bias, or anything else."""
    name, options = equation.primitive.name, equation.params
    inner = options.get("jaxpr", options.get("call_jaxpr"))
    if name in _CALLS and inner is not None:
        body = getattr(inner, "jaxpr", inner)
        return _evaluate(body, getattr(inner, "consts", ()), values, marks, found)
    outs = equation.primitive.bind(*values, **equation.primitive.get_bind_params(options))
    outs = list(outs) if equation.primitive.multiple_results else [outs]
    before = len(found.layers)
    mark = _mark(name, options, values, marks, outs, found)
    if isinstance(mark, _Product) and found.taps and len(found.layers) > before:
        outs = [outs[0] + found.taps[mark.layer]]
    return outs, [mark] + [None] * (len(outs) - 1)


def _mark(
    name: str, options: Any, values: list[Any], marks: list[Any], outs: list[Any], found: Walk
) -> _Leaf | _Product | None:
    """What an operation's result is."""
    first = marks[0] if marks else None
    if len(marks) == 1 and (name in _SAME or _keeps_features(name, options, values[0], outs[0])):
        return first
    if name == "transpose" and isinstance(first, _Leaf) and values[0].ndim == 2:
        return _Leaf(first.leaf, first.transposed ^ (options["permutation"] == (1, 0)))
    if name in {"add", "add_any"} and _is_bias(values, marks, outs[0], found):
        return next(mark for mark in marks if isinstance(mark, _Product))._replace(biased=True)
    _read_products(marks, found)
    if len(marks) == 2 and isinstance(marks[1], _Leaf) and not isinstance(first, _Leaf):
        layer = _layer(name, options, values, marks[1], outs[0], found)
        if layer is not None:
            return layer
    for mark in marks:
        if isinstance(mark, _Leaf):
            found.others.setdefault(mark.leaf, name)
    return None


def _read_products(marks: list[Any], found: Walk) -> None:
    """Note the products that are used without their bias, whose gradients are not the bias's."""
    for mark in marks:
        if isinstance(mark, _Product) and not mark.biased:
            found.read.add(mark.layer)
            bias = found.layers[mark.layer].bias
            if bias is not None:
                found.others.setdefault(bias, "an addition to a product that is used again")


def _keeps_features(name: str, options: Any, value: Any, out: Any) -> bool:
    """Whether only leading axes change: a bias [k] becomes [1, k], an output [n, k] [m, t, k]."""
    if not np.ndim(value) or not np.ndim(out) or value.shape[-1] != out.shape[-1]:
        return False
    if name == "broadcast_in_dim":
        last = tuple(range(out.ndim - value.ndim, out.ndim))
        alone = value.ndim == 1 or value.size == out.size
        return bool(alone and options["broadcast_dimensions"] == last)
    return name in {"reshape", "squeeze"}


def _layer(
    name: str, options: Any, values: list[Any], kernel: _Leaf, out: Any, found: Walk
) -> _Product | None:
    """The layer, if the operation is a product with a matrix, or a convolution."""
    if name == "dot_general":
        inputs = _factor(options, *values)
        flipped = inputs is not None and _contracted(options) == 1
    else:
        inputs, flipped = patches_of(name, options, *values), False
    if inputs is None:
        return None
    if kernel.leaf in found.others or any(kernel.leaf == one.kernel for one in found.layers):
        found.others[kernel.leaf] = "two products"
    flipped = flipped != kernel.transposed
    found.layers.append(Layer(kernel.leaf, None, inputs.shape[-1], out.shape[-1], flipped))
    found.inputs.append(inputs)
    found.shapes.append(jax.eval_shape(lambda: out))
    return _Product(len(found.layers) - 1)


def _contracted(options: Any) -> int:
    """The axis of the second factor over which a product sums."""
    return int(options["dimension_numbers"][0][1][0])


def _factor(options: Any, left: Any, right: Any) -> Any:
    """The inputs [..., inputs] of a product with a matrix; None of another one."""
    (axes, others), batch = options["dimension_numbers"]
    plain = len(axes) == len(others) == 1 and not any(map(len, batch))
    fits = plain and right.ndim == 2 and left.ndim > 1 and axes[0] == left.ndim - 1
    return left if fits else None


def _is_bias(values: list[Any], marks: list[Any], out: Any, found: Walk) -> bool:
    """Whether a leaf is added to the output of a layer that has no bias yet."""
    products = [mark for mark in marks if isinstance(mark, _Product)]
    leaves = [(mark, value) for mark, value in zip(marks, values, strict=True)
              if isinstance(mark, _Leaf)]  # fmt: skip
    if len(products) != 1 or len(leaves) != 1:
        return False
    (leaf, value), at = leaves[0], products[0].layer
    layer = found.layers[at]
    if layer.bias is not None or at in found.read or value.shape[-1:] != out.shape[-1:]:
        return False
    if any(leaf.leaf == one.bias for one in found.layers) or leaf.leaf in found.others:
        return False
    found.layers[at] = layer._replace(bias=leaf.leaf)
    return True
