"""Exponential moving average of the parameters."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._checks import check_rate
from paramjax._types import Array, Metrics, Params
from paramjax.step._evaluation import evaluation_point
from paramjax.step._norms import widened
from paramjax.step.hooks._hook import Hook


class EMAState(NamedTuple):
    """State of `ema`.

    Attributes:
        steps: Steps averaged so far, int32[].
        average: The average before its correction, at least float32, like the parameters.
    """

    steps: Array
    average: Params


def ema(decay: float) -> Hook:
    r"""Evaluate at the exponential moving average of the parameters.

    $$a_t = \gamma a_{t-1} + (1-\gamma)\theta_t,\quad \hat a_t = a_t / (1 - \gamma^t)$$
    from $a_0 = 0$, corrected as Kingma and Ba (2015, section 3) correct their averages;
    averaging of iterates after Polyak and Juditsky (1992). It averages what the optimizer
    wants evaluated, such as lookahead's slow weights.

    Args:
        decay: The weight of the past, in [0, 1); about 1 / (1 - decay) steps are averaged.

    Returns:
        A hook. Before the first step it evaluates at the parameters themselves.

    Raises:
        TypeError: If the decay is not a number.
        ValueError: If the decay is outside [0, 1).

    Example:
        >>> import paramjax as pj
        >>> hook = pj.hooks.ema(0.5)
        >>> own = pj.hooks.EMAState(jnp.int32(1), jnp.float32(1.0))
        >>> float(hook.eval_params(own, jnp.float32(2.0)))
        2.0
    """
    check_rate("ema: decay", decay, high=1.0)

    def init(params: Params) -> EMAState:
        wide = jax.tree.map(lambda p: jnp.zeros_like(p, widened(p).dtype), params)
        return EMAState(jnp.zeros([], jnp.int32), wide)

    def apply(own: EMAState, old: Any, new: Any, metrics: Metrics) -> tuple[EMAState, Any, Metrics]:
        del old

        def blend(average: Array, param: Array) -> Array:
            past = jnp.asarray(decay, average.dtype)
            return past * average + (1 - past) * param.astype(average.dtype)

        average = jax.tree.map(blend, own.average, evaluation_point(new.opt_state, new.params))
        return EMAState(own.steps + 1, average), new, metrics

    def eval_params(own: EMAState, params: Params) -> Params:
        started = own.steps > 0
        steps = jnp.maximum(own.steps, 1)

        def corrected(average: Array, param: Array) -> Array:
            weight = _weight(jnp.asarray(decay, average.real.dtype), steps)
            # XLA divides by a number or multiplies by its inverse, depending on the devices
            barrier: Any = jax.lax.optimization_barrier
            scale = barrier(1 / weight)
            return jnp.where(started, (average * scale).astype(param.dtype), param)

        return jax.tree.map(corrected, own.average, params)

    return Hook(init, apply, eval_params, name="ema")


def _weight(decay: Array, steps: Array) -> Array:
    r"""$1 - \gamma^t$, to full precision also where the decay is close to 1."""
    # the complement of a decay above 1/2 is exact; a decay of 0 has no finite logarithm
    close = jnp.log1p(-jnp.minimum(1 - decay, 0.5))
    log_decay = jnp.where(decay > 0.5, close, jnp.log(jnp.maximum(decay, 1e-30)))
    return -jnp.expm1(steps.astype(log_decay.dtype) * log_decay)
