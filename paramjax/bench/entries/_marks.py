"""Evaluations of a loss, counted in the program that a step is traced to.

The loss passes through two primitives that change nothing and leave a mark: one on its value, one
on its derivative in either direction. A forward pass counts as a third of a gradient, a derivative
as two thirds, so that a gradient counts as one however it is taken: by the training step, by the
optimizer from `grad_fn`, or by differentiating `value_fn`. Under `vmap` the marks hold arrays, and
each element counts. A derivative of a gradient counts, but for less than it may cost.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from paramjax._types import LossFn

EVALUATED: Any = Primitive("loss_evaluated")
DERIVED: Any = Primitive("loss_derived")
WEIGHTS = {EVALUATED: 1 / 3, DERIVED: 2 / 3}
"""Gradients that each mark counts as, for each element of its last operand."""


def marked(loss_fn: LossFn) -> LossFn:
    """A loss whose evaluations and derivatives leave marks in a traced program.

    Args:
        loss_fn: `(params, ...) -> (loss, anything)`.

    Returns:
        The same function of the same arguments.
    """

    def loss(*args: Any) -> Any:
        output = loss_fn(*args)
        if not isinstance(output, tuple) or len(output) != 2:
            return output  # the step says what is wrong with it
        value, aux = output
        return EVALUATED.bind(jnp.asarray(value)), aux

    return loss


def marks(equation: Any) -> float:
    """How many gradients an equation of a jaxpr counts as by itself."""
    weight = WEIGHTS.get(equation.primitive, 0.0)
    return weight * math.prod(equation.invars[-1].aval.shape) if weight else 0.0


_zeros: Any = ad.instantiate_zeros


def _evaluated_jvp(primals: Any, tangents: Any) -> Any:
    (value,), (tangent,) = primals, tangents
    value = EVALUATED.bind(value)
    if isinstance(tangent, ad.Zero):
        return value, tangent
    return value, DERIVED.bind(tangent, value)  # so that neither mark is dropped without the other


def _derived_jvp(primals: Any, tangents: Any) -> Any:
    """The mark is linear in its first operand; its second one only says how many there are."""
    derivative, value = primals
    second = _zeros(tangents[0])
    return DERIVED.bind(derivative, value), DERIVED.bind(second, value)


def _derived_transpose(cotangent: Any, derivative: Any, value: Any) -> Any:
    del derivative
    return [DERIVED.bind(_zeros(cotangent), value), None]


def _derived_batch(operands: Any, axes: Any) -> Any:
    """Both operands get the axis, so that the second one counts it."""
    (derivative, value), (first, second) = operands, axes
    size = derivative.shape[first] if first is not None else value.shape[second]
    at_front: Any = batching.bdim_at_front
    both = (at_front(operand, axis, size) for operand, axis in zip(operands, axes, strict=True))
    return DERIVED.bind(*both), 0


EVALUATED.def_impl(lambda value: value)
EVALUATED.def_abstract_eval(lambda value: value)
DERIVED.def_impl(lambda derivative, value: derivative)
DERIVED.def_abstract_eval(lambda derivative, value: derivative)
ad.primitive_jvps[EVALUATED] = _evaluated_jvp
ad.primitive_jvps[DERIVED] = _derived_jvp
ad.primitive_transposes[DERIVED] = _derived_transpose
batching.primitive_batchers[EVALUATED] = lambda operands, axes: (EVALUATED.bind(*operands), axes[0])
batching.primitive_batchers[DERIVED] = _derived_batch
mlir.register_lowering(EVALUATED, lambda context, value: [value])
mlir.register_lowering(DERIVED, lambda context, derivative, value: [derivative])
