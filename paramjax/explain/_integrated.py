"""Integrated gradients: an output less that of a baseline, divided among the inputs."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import check_count, describe
from paramjax._programs import owned_jit
from paramjax._types import Array, Params
from paramjax.explain._outputs import (
    Function,
    Target,
    as_numbers,
    checked_inputs,
    explained,
    gradient_of,
)

_PANEL = 64
"""Nodes of one Gauss-Legendre rule at most; more steps are several panels side by side."""


class IntegratedGradients(NamedTuple):
    """What each input contributed to the change of an output from a baseline.

    Attributes:
        attributions: Contributions, of the shape of the inputs.
        change: The output less that of the baseline, [batch].
        gap: The sum of an example's contributions less the change, [batch]; 0 but for the
            error of the integral, which more steps make smaller.
    """

    attributions: Array
    change: Array
    gap: Array


def integrated_gradients(
    fn: Function,
    params: Params,
    x: Any,
    baseline: Any = None,
    steps: int = 256,
    *,
    target: Target = None,
) -> IntegratedGradients:
    r"""Divide the change of an output from a baseline among the inputs.

    $$a_i = (x_i - x'_i) \int_0^1 \frac{\partial f}{\partial x_i}(x' + t (x - x'))\, dt, \quad
    \sum_i a_i = f(x) - f(x')$$
    Sundararajan, Taly and Yan (2017, Axiomatic attribution for deep networks, eq. 1 and the
    axiom of completeness, proposition 1). The integral is a Gauss-Legendre sum, which is exact to
    rounding for smooth activations after few steps; with ReLU, whose gradient jumps, its error
    falls as 1 / steps. An MLP with ReLU for the digits, whose logits change by 7, leaves a gap of
    at most 0.013 with 64 steps, 0.005 with 256 and 0.002 with 1024; with GELU 3e-6 with 32.

    Args:
        fn: See `input_gradients`.
        params: Its parameters.
        x: Inputs, floating-point [batch, ...].
        baseline: Inputs without information, such as a black image or the mean of a table,
            of the shape of `x` or of one example; None for zeros.
        steps: Gradients in the sum, positive.
        target: See `input_gradients`.

    Returns:
        Contributions, the changes that they add up to, and what is missing.

    Raises:
        TypeError: If the baseline is not numbers, or see `input_gradients`.
        ValueError: If `steps` is less than 1 or the baseline has another shape, or see
            `input_gradients`.

    Example:
        >>> product = lambda w, x: w * x[:, 0] * x[:, 1]
        >>> found = integrated_gradients(product, 2.0, jnp.array([[3.0, 1.0]]), steps=4)
        >>> found.attributions.round(4).tolist(), found.change.tolist()
        ([[3.0, 3.0]], [6.0])
        >>> bool(abs(found.gap[0]) < 1e-4)
        True
    """
    steps = check_count("steps", steps)
    x, classes = checked_inputs(fn, params, x, target)
    return _integrate(fn, steps, params, x, _checked_baseline(baseline, x), classes)


def _checked_baseline(baseline: Any, x: Array) -> Array:
    """The baseline of each example, of the shape of `x`."""
    if baseline is None:
        return jnp.zeros_like(x)
    baseline = as_numbers("baseline", baseline)
    if baseline.shape not in {x.shape, x.shape[1:]}:
        raise ValueError(
            f"baseline: expected the shape of x {x.shape} or of one example {x.shape[1:]}, got "
            f"{describe(baseline)}"
        )
    return jnp.broadcast_to(baseline.astype(x.dtype).reshape(-1, *x.shape[1:]), x.shape)


@owned_jit(static=2)
def _integrate(
    fn: Function, steps: int, params: Params, x: Array, baseline: Array, target: Array | None
) -> IntegratedGradients:
    wide = jnp.promote_types(x.dtype, jnp.float32)

    def add(total: Array, node: tuple[Array, ...]) -> tuple[Array, None]:
        at, weight = node
        point = baseline + at.astype(x.dtype) * (x - baseline)
        return total + weight * gradient_of(fn, params, point, target).astype(wide), None

    nodes = tuple(jnp.asarray(part, wide) for part in _nodes(steps))
    mean, _ = jax.lax.scan(add, jnp.zeros(x.shape, wide), nodes)
    attributions = (x - baseline).astype(wide) * mean
    ends = [explained(fn, params, end, target).astype(wide) for end in (x, baseline)]
    change = ends[0] - ends[1]
    gap = attributions.reshape(x.shape[0], -1).sum(axis=1) - change
    return IntegratedGradients(attributions.astype(x.dtype), change, gap)


def _nodes(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in [0, 1] and weights, which add up to 1."""
    panels = -(-steps // _PANEL)
    sizes = [steps // panels + (index < steps % panels) for index in range(panels)]
    rules = [np.polynomial.legendre.leggauss(size) for size in sizes]
    nodes = [(index + (own + 1) / 2) / panels for index, (own, _) in enumerate(rules)]
    return np.concatenate(nodes), np.concatenate([own / (2 * panels) for _, own in rules])
