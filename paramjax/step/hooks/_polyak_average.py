"""Uniform average of the iterates, from some step on and every so many steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._checks import check_count
from paramjax._types import Array, Metrics, Params
from paramjax.step._evaluation import evaluation_point
from paramjax.step._norms import widened
from paramjax.step.hooks._hook import Hook


class PolyakState(NamedTuple):
    """State of `polyak_average`.

    Attributes:
        steps: Steps seen so far, int32[].
        average: The mean of the averaged iterates, at least float32, like the parameters;
            zeros before the first.
    """

    steps: Array
    average: Params


def polyak_average(start: int = 0, every: int = 1) -> Hook:
    r"""Evaluate at the uniform average of the iterates.

    $$a_n = a_{n-1} + (\theta_{s + nk} - a_{n-1}) / n,$$
    the mean of the parameters after steps s + k, s + 2k, ... for start s and period k. With
    k = 1 it is the average of Polyak and Juditsky (1992); with s and k above it is
    stochastic weight averaging (Izmailov et al., 2018, algorithm 1), without the point it
    starts from. It averages what the optimizer wants evaluated, such as lookahead's slow
    weights.

    A step that a guard rejects leaves the parameters where they were. If the guard is
    earlier in the list, the unchanged parameters are averaged once more, as in `ema`; if it
    is later, the rejected step also leaves the average and its count, so that only accepted
    steps count, as in the optimizer's own schedule.

    Args:
        start: Steps before the average begins, at least 0.
        every: Steps between two iterates that are averaged, positive.

    Returns:
        A hook. Before the first iterate is taken it evaluates at the parameters themselves.

    Raises:
        TypeError: If `start` or `every` is not an integer.
        ValueError: If `start` is negative or `every` is not positive.

    Example:
        >>> import paramjax as pj
        >>> hook = pj.hooks.polyak_average()
        >>> own = pj.hooks.PolyakState(jnp.int32(1), jnp.float32(1.5))
        >>> float(hook.eval_params(own, jnp.float32(2.0)))
        1.5
    """
    check_count("polyak_average: start", start, least=0)
    check_count("polyak_average: every", every)

    def init(params: Params) -> PolyakState:
        wide = jax.tree.map(lambda p: jnp.zeros_like(p, widened(p).dtype), params)
        return PolyakState(jnp.zeros([], jnp.int32), wide)

    def apply(
        own: PolyakState, old: Any, new: Any, metrics: Metrics
    ) -> tuple[PolyakState, Any, Metrics]:
        del old
        steps = own.steps + 1
        taken = (steps > start) & ((steps - start) % every == 0)
        count = jnp.maximum((steps - start) // every, 1)
        average = jax.tree.map(
            lambda a, p: jnp.where(taken, a + (p.astype(a.dtype) - a) / count, a),
            own.average,
            evaluation_point(new.opt_state, new.params),
        )
        return PolyakState(steps, average), new, metrics

    def eval_params(own: PolyakState, params: Params) -> Params:
        started = own.steps >= start + every
        return jax.tree.map(
            lambda a, p: jnp.where(started, a.astype(p.dtype), p), own.average, params
        )

    return Hook(init, apply, eval_params, name="polyak_average")
