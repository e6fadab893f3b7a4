"""Antithetic evolution strategies: a gradient from values of the loss alone."""

from __future__ import annotations

import jax

from paramjax._checks import check_count
from paramjax._types import Array, LossFn
from paramjax.step._gradients import GradFn
from paramjax.step.grads._checks import check_positive
from paramjax.step.grads._directions import two_sided


def evolution(
    loss_fn: LossFn,
    *,
    population: int,
    sigma: float | Array,
    chunk: int | None = None,
    stateful: bool = False,
) -> GradFn:
    r"""$$g = \frac{2}{n}\sum_{i=1}^{n/2}
    \frac{\ell(\theta + \sigma\epsilon_i) - \ell(\theta - \sigma\epsilon_i)}{2\sigma}\,\epsilon_i,
    \quad \epsilon_i \sim N(0, I)$$

    Salimans et al. (2017, Evolution strategies as a scalable alternative to reinforcement
    learning, eq. 1 and section 2.1, mirrored sampling). An unbiased estimate of the gradient
    of the smoothed loss $E\,\ell(\theta + \sigma\epsilon)$; the loss need not be
    differentiable. All members get one key; direction i is one flat normal draw of
    `split(fold_in(key, 0xD1EC0000), n / 2)[i]`, cut into leaves in their order. Parameters
    in bfloat16 hold a perturbation only to their 8 bits.

    Args:
        loss_fn: A loss.
        population: n, members evaluated per step, even: two for each direction.
        sigma: Standard deviation of the perturbations, positive.
        chunk: Members evaluated together, even, to bound memory; None takes all.
        stateful: Whether the loss takes and returns model state. Every member gets the state
            from before the step; the new state is that of one further evaluation, at the
            parameters themselves, because no member is kept.

    Returns:
        A GradFn. Loss and metrics are means over the population, an unbiased estimate of
        the smoothed loss; its `loss_fn` is this mean, too.

    Raises:
        TypeError: If `loss_fn` is not a loss, or another argument is not a number; at the first
            call, if parameters are complex.
        ValueError: If a count is odd or not positive, or sigma is not positive; at the
            first call, if the loss is not a scalar.

    Example:
        >>> import jax.numpy as jnp
        >>> import paramjax as pj
        >>> slope = lambda params, batch, key: (3.0 * params, {})
        >>> grads, loss, _ = pj.grads.evolution(slope, population=4096, sigma=0.1)(
        ...     jnp.float32(1.0), None, jax.random.key(0))
        >>> float(grads), float(loss)
        (3.0, 3.0)
    """
    pairs = _pairs("population", population)
    chunk = None if chunk is None else _pairs("chunk", chunk)
    check_positive("evolution: sigma", sigma)
    return two_sided(
        "evolution", loss_fn, jax.random.normal, sigma, pairs=pairs, chunk=chunk, stateful=stateful
    )


def _pairs(name: str, members: int) -> int:
    """Half an even number of members."""
    check_count(f"evolution: {name}", members, least=2)
    if members % 2:
        raise ValueError(
            f"evolution: {name}: expected an even number, two for each direction, got {members}"
        )
    return members // 2
