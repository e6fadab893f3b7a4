"""How much arithmetic a traced function holds."""

from __future__ import annotations

import math
from typing import Any

import jax


def operations(jaxpr: Any) -> float:
    """Floating-point operations of a jaxpr, about: products exactly, others one an element."""
    return sum(_of(equation) for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns)


def _of(equation: Any) -> float:
    name, inner = equation.primitive.name, _inner(equation)
    if name == "cond":
        return max(map(operations, inner))
    if inner:
        return equation.params.get("length", 1) * sum(map(operations, inner))
    elements = sum(math.prod(out.aval.shape) for out in equation.outvars)
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return 2.0 * elements * math.prod(equation.invars[0].aval.shape[i] for i in contracted)
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        out = equation.params["dimension_numbers"].rhs_spec[0]
        return 2.0 * elements * math.prod(kernel) / kernel[out]
    if name in ("convolution", "correlation"):
        # of paramjax.models, by [runs, *kernel sides, channels, features] and by the output's
        # gradient, [runs, batch, *indices, features]: all but the last axis is summed over
        return 2.0 * elements * math.prod(equation.invars[1].aval.shape[1:-1])
    return float(elements)


def _inner(equation: Any) -> list[Any]:
    """The jaxprs that an equation holds."""
    held = jax.tree.leaves(
        list(equation.params.values()), is_leaf=lambda leaf: hasattr(leaf, "eqns")
    )
    return [value for value in held if hasattr(value, "eqns")]
