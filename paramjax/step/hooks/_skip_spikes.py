"""A guard: a step whose gradient is far longer than those before it changes nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._checks import check_count, check_rate
from paramjax._types import Array, Metrics, Params
from paramjax.step._norms import widest_float
from paramjax.step._state import KeptOnReject
from paramjax.step.hooks._hook import Hook, reject

_ROUNDING = 1e-5
"""Norms that differ by less than this, relatively, are taken as equal."""


class SpikeState(NamedTuple):
    """State of `skip_spikes`.

    Attributes:
        seen: Norms in the statistics, int32[].
        weight: Sum of their weights, float32[], here and below float64[] under x64.
        mean: Their weighted mean.
        deviation: The root of the weighted mean of their squared deviations from it.
        streak: Spikes rejected in a row, int32[].
        spikes: Steps rejected so far, int32[]; another guard does not undo the count.
    """

    seen: Array
    weight: Array
    mean: Array
    deviation: Array
    streak: Array
    spikes: KeptOnReject


def skip_spikes(
    threshold: float | Array = 6.0,
    *,
    decay: float | Array = 0.99,
    warmup: int = 100,
    patience: int = 20,
) -> Hook:
    r"""Reject a step whose gradient norm stands out from those before it.

    With weights $w_i = \gamma^{t-i}$ for the norms $x_1, \dots, x_t$ accepted so far,
    $$m_t = \sum w_i x_i / \sum w_i,\quad v_t = \sum w_i (x_i - m_t)^2 / \sum w_i,$$
    a spike is a norm above $m_t + c \sqrt{v_t}$. Weighted mean and variance are updated one
    norm at a time as West (1979) does; the division by the sum of the weights corrects
    their start. The score is that of Kumar et al. (2025, ZClip), which clips where this
    hook rejects.

    The old state is restored whole, except for the step counter, and the norm stays out of
    the statistics. If the norms rise to a new level, such statistics alone would reject every
    further step, so after `patience` spikes in a row the next one is accepted and the
    statistics start again from it, with a new warm-up. A norm that is not finite is always
    rejected; it enters neither the statistics nor the spikes in a row.

    The metric `spikes` counts the rejected steps so far, of either kind.

    Args:
        threshold: c, deviations above the mean, at least 0.
        decay: $\gamma$, the weight of the past, in [0, 1); about 1 / (1 - decay) norms count.
        warmup: Norms in the statistics before one can be a spike, at least 2.
        patience: Spikes in a row before the next one is taken as the new level, positive.

    Returns:
        A hook; the hooks before it in the list are restored with the rest.

    Raises:
        TypeError: If an argument is not a number, or a count not an integer.
        ValueError: If an argument is out of range.

    Example:
        >>> import paramjax as pj
        >>> hook = pj.hooks.skip_spikes(3.0, warmup=2)
        >>> int(hook.init({"w": jnp.zeros(3)}).spikes.value)
        0
    """
    check_rate("skip_spikes: threshold", threshold)
    check_rate("skip_spikes: decay", decay, high=1.0)
    check_count("skip_spikes: warmup", warmup, least=2)
    check_count("skip_spikes: patience", patience)

    def init(params: Params) -> SpikeState:
        del params
        zero, count = jnp.zeros([], widest_float()), jnp.zeros([], jnp.int32)
        return SpikeState(count, zero, zero, zero, count, KeptOnReject(count))

    def apply(
        own: SpikeState, old: Any, new: Any, metrics: Metrics
    ) -> tuple[SpikeState, Any, Metrics]:
        norm = jnp.asarray(metrics["grad_norm"], own.mean.dtype)
        finite = jnp.isfinite(norm)
        above = finite & (own.seen >= warmup) & (norm > _limit(own, threshold))
        new_level = above & (own.streak >= patience)
        accepted = finite & (~above | new_level)
        statistics = _choose(new_level, init(None), own)
        kept = _choose(accepted, _include(statistics, norm, decay), own)
        streak = jnp.where(accepted, 0, own.streak + above)
        spikes = own.spikes.value + ~accepted
        own = kept._replace(streak=streak, spikes=KeptOnReject(spikes))
        return own, reject(accepted, old, new), {**metrics, "spikes": spikes}

    return Hook(init, apply, name="skip_spikes")


def _limit(own: SpikeState, threshold: float | Array) -> Array:
    """The largest norm that is no spike; equal norms leave room for rounding."""
    limit = own.mean + threshold * own.deviation + _ROUNDING * own.mean
    return limit.astype(own.mean.dtype)


def _include(own: SpikeState, norm: Array, decay: float | Array) -> SpikeState:
    """The statistics with one more norm (West, 1979)."""
    decay = jnp.asarray(decay, own.weight.dtype)
    past = decay * own.weight
    weight = past + 1.0
    distance = norm - own.mean
    # roots instead of squares, which would overflow from norms of 1.8e19 on
    scatter = jnp.hypot(own.deviation, distance / jnp.sqrt(weight))
    deviation = jnp.sqrt(past / weight) * scatter
    mean = own.mean + distance / weight
    return own._replace(seen=own.seen + 1, weight=weight, mean=mean, deviation=deviation)


def _choose(condition: Array, one: SpikeState, other: SpikeState) -> SpikeState:
    chosen: SpikeState = jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)
    return chosen
