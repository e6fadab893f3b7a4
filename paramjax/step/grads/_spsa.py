"""Simultaneous perturbation stochastic approximation: a gradient from two values."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from paramjax._checks import check_count
from paramjax._types import Array, Key, LossFn
from paramjax.step._gradients import GradFn
from paramjax.step.grads._checks import check_positive
from paramjax.step.grads._directions import two_sided


def spsa(
    loss_fn: LossFn,
    *,
    scale: float | Array,
    samples: int = 1,
    chunk: int | None = None,
    stateful: bool = False,
) -> GradFn:
    r"""$$g = \frac{1}{n}\sum_{i=1}^n
    \frac{\ell(\theta + c\,\delta_i) - \ell(\theta - c\,\delta_i)}{2c}\,\delta_i,
    \quad \delta_i \in \{-1, 1\}^d$$

    Spall (1992, Multivariate stochastic approximation using a simultaneous perturbation
    gradient approximation, eqs. 2.2 and 2.3) with symmetric Bernoulli directions, whose
    reciprocals are themselves. Its bias is of order $c^2$, and zero for a quadratic loss.
    All evaluations get one key.

    Args:
        loss_fn: A loss; it need not be differentiable.
        scale: c, how far the parameters are moved, positive. Spall lets it shrink with the
            steps; here it is one number.
        samples: n, directions averaged per step, each with two evaluations.
        chunk: Directions evaluated together, to bound memory; None takes all.
        stateful: Whether the loss takes and returns model state. Every evaluation gets the
            state from before the step; the new state is that of one further evaluation, at
            the parameters themselves.

    Returns:
        A GradFn. Loss and metrics are means over the evaluations, and so is its `loss_fn`.

    Raises:
        TypeError: If `loss_fn` is not a loss, or another argument is not a number; at the first
            call, if parameters are complex.
        ValueError: If a number is not positive; at the first call, if the loss is not a scalar.

    Example:
        >>> import paramjax as pj
        >>> slope = lambda params, batch, key: (3.0 * params, {})
        >>> grad_fn = pj.grads.spsa(slope, scale=0.25)
        >>> float(grad_fn(jnp.float32(1.0), None, jax.random.key(0))[0])
        3.0
    """
    check_positive("spsa: scale", scale)
    check_count("spsa: samples", samples)
    if chunk is not None:
        check_count("spsa: chunk", chunk)
    return two_sided("spsa", loss_fn, _signs, scale, pairs=samples, chunk=chunk, stateful=stateful)


def _signs(key: Key, shape: tuple[int, ...]) -> Array:
    """-1.0 or 1.0 with equal probability, float32[shape]."""
    return jax.random.rademacher(key, shape, jnp.float32)
