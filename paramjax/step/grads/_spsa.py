"""Simultaneous perturbation stochastic approximation: a gradient from two values."""

from __future__ import annotations

from paramjax._checks import check_count
from paramjax._types import Array, LossFn
from paramjax.step._gradients import GradFn
from paramjax.step.grads._directions import rademacher
from paramjax.step.grads._expect import check_positive
from paramjax.step.grads._two_sided import two_sided


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
    reciprocals are themselves. Its bias is of order $c^2$, and none for a quadratic loss.
    All evaluations see one key.

    Args:
        loss_fn: A loss; it need not be differentiable.
        scale: c, how far the parameters are moved, positive. Spall lets it shrink with the
            steps; here it is one number.
        samples: n, directions averaged a step, each two evaluations.
        chunk: Directions evaluated together, for memory; None takes all.
        stateful: Whether the loss takes and returns model state. Every evaluation sees it
            frozen; it leaves as one further evaluation, at the parameters, leaves it.

    Returns:
        A GradFn. Loss and metrics are means over the evaluations, and so is its `loss_fn`.

    Raises:
        TypeError: If it is no loss, or a number is none; at the first call, if parameters
            are complex.
        ValueError: If a number is not positive; at the first call, if the loss is no scalar.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> slope = lambda params, batch, key: (3.0 * params, {})
        >>> float(spsa(slope, scale=0.25)(jnp.float32(1.0), None, jax.random.key(0))[0])
        3.0
    """
    check_positive("spsa: scale", scale)
    check_count("spsa: samples", samples)
    if chunk is not None:
        check_count("spsa: chunk", chunk)
    return two_sided(
        "spsa", loss_fn, rademacher, scale, pairs=samples, chunk=chunk, stateful=stateful
    )
