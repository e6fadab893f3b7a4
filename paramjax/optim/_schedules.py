"""Schedules of the learning rate whose numbers may be traced, so that a sweep can search them.

Each has the name, arguments and values of optax's, which asks in Python whether a number is 0,
negative or below 1, and so cannot take a traced one. `optax.constant_schedule`,
`linear_schedule`, `polynomial_schedule`, `cosine_decay_schedule` and `warmup_constant_schedule`
ask nothing of their values and need no other.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from typing import Any

import jax.numpy as jnp
import optax

from paramjax._types import Array, Schedule
from paramjax.optim._piecewise_schedules import (
    Number,
    cosine_onecycle_schedule,
    is_traced,
    linear_onecycle_schedule,
    piecewise_constant_schedule,
    piecewise_interpolate_schedule,
)


def warmup_cosine_decay_schedule(
    init_value: Number,
    peak_value: Number,
    warmup_steps: Number,
    decay_steps: Number,
    end_value: Number = 0.0,
    exponent: Number = 1.0,
) -> Schedule:
    r"""A linear rise from a to b in W steps, then $e + (b - e)\,[\tfrac12 + \tfrac12\cos(\pi s)]^p$
    with s from 0 to 1 until step T (Loshchilov and Hutter, 2017, SGDR, eq. 5).

    As `optax.warmup_cosine_decay_schedule`; all arguments may be traced.

    Args:
        init_value: a, the rate at step 0.
        peak_value: b, the rate after the warm-up. If it is 0, the rate falls to 0, not e.
        warmup_steps: W, at least 0.
        decay_steps: T, steps of warm-up and decay together, more than `warmup_steps`.
        end_value: e, the rate from step T on.
        exponent: p.

    Returns:
        `(step) -> rate`.

    Raises:
        ValueError: If the decay has no steps.

    Example:
        >>> rate = warmup_cosine_decay_schedule(0.0, 1.0, warmup_steps=10, decay_steps=30)
        >>> [round(float(rate(step)), 3) for step in (0, 5, 10, 20, 30)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if not is_traced(warmup_steps, decay_steps) and decay_steps <= warmup_steps:
        raise ValueError(
            f"warmup_cosine_decay_schedule: expected more steps than the {warmup_steps} of the "
            f"warm-up, got decay_steps={decay_steps}, which counts both; raise it or lower "
            "warmup_steps"
        )

    def cosine(count: Array) -> Array:
        share = jnp.clip(count / jnp.maximum(decay_steps - warmup_steps, 1), None, 1.0)
        height = (0.5 * (1 + jnp.cos(jnp.pi * share))) ** exponent
        end = jnp.where(peak_value == 0, 0.0, end_value)
        return (peak_value - end) * height + end

    return _after_warmup(init_value, peak_value, warmup_steps, cosine)


def exponential_decay(
    init_value: Number,
    transition_steps: Number,
    decay_rate: Number,
    transition_begin: Number = 0,
    staircase: bool = False,
    end_value: Number | None = None,
) -> Schedule:
    r"""$$\eta_t = a\, r^{(t - B) / T}$$ from step B on, and a before it.

    As `optax.exponential_decay`; all numbers may be traced.

    Args:
        init_value: a.
        transition_steps: T, steps in which the rate changes by the factor r; with none the rate
            is constant.
        decay_rate: r, above 0; with 0 the rate is constant.
        transition_begin: B, at least 0.
        staircase: Whether to change the rate every T steps only.
        end_value: Where the decay ends, or the growth if r is 1 or more; None never does.

    Returns:
        `(step) -> rate`.

    Example:
        >>> rate = exponential_decay(1.0, transition_steps=10, decay_rate=0.5)
        >>> [round(float(rate(step)), 3) for step in (0, 10, 20)]
        [1.0, 0.5, 0.25]
    """

    def schedule(count: Array) -> Array:
        since = jnp.maximum(count - jnp.maximum(transition_begin, 0), 0)
        share = since / jnp.where(transition_steps > 0, transition_steps, 1)
        decays = (decay_rate != 0) & (transition_steps > 0) & (since > 0)
        power = jnp.power(decay_rate, jnp.floor(share) if staircase else share)
        value = jnp.where(decays, init_value * power, init_value)
        if end_value is None:
            return value
        ended = jnp.where(
            decay_rate < 1, jnp.maximum(value, end_value), jnp.minimum(value, end_value)
        )
        return jnp.where((decay_rate != 0) & (transition_steps > 0), ended, init_value)

    return schedule


def warmup_exponential_decay_schedule(
    init_value: Number,
    peak_value: Number,
    warmup_steps: Number,
    transition_steps: Number,
    decay_rate: Number,
    transition_begin: Number = 0,
    staircase: bool = False,
    end_value: Number | None = None,
) -> Schedule:
    """A linear rise, then `exponential_decay` from the peak.

    As `optax.warmup_exponential_decay_schedule`; all numbers may be traced.

    Args:
        init_value: The rate at step 0.
        peak_value: The rate after the warm-up.
        warmup_steps: Steps of the warm-up, at least 0.
        transition_steps: See `exponential_decay`, as for the arguments after it; steps count
            from the end of the warm-up.
        decay_rate: See there.
        transition_begin: See there.
        staircase: See there.
        end_value: See there.

    Returns:
        `(step) -> rate`.

    Example:
        >>> rate = warmup_exponential_decay_schedule(0.0, 1.0, 10, 10, 0.5)
        >>> [round(float(rate(step)), 3) for step in (0, 5, 10, 20)]
        [0.0, 0.5, 1.0, 0.5]
    """
    decay = exponential_decay(
        peak_value, transition_steps, decay_rate, transition_begin, staircase, end_value
    )
    return _after_warmup(init_value, peak_value, warmup_steps, decay)


def sgdr_schedule(cosine_kwargs: Iterable[Mapping[str, Number]]) -> Schedule:
    """Warm restarts: one `warmup_cosine_decay_schedule` after the other (Loshchilov and Hutter,
    2017, SGDR: Stochastic gradient descent with warm restarts).

    As `optax.sgdr_schedule`; all numbers may be traced.

    Args:
        cosine_kwargs: The arguments of each cycle; its `decay_steps` are its length.

    Returns:
        `(step) -> rate`.

    Raises:
        ValueError: If there are no cycles, or a decay has no steps.

    Example:
        >>> cycle = {"init_value": 1.0, "peak_value": 1.0, "warmup_steps": 0, "decay_steps": 10}
        >>> rate = sgdr_schedule([cycle, {**cycle, "peak_value": 0.5}])
        >>> [round(float(rate(step)), 3) for step in (0, 5, 10, 15)]
        [1.0, 0.5, 0.5, 0.25]
    """
    cycles = [dict(cycle) for cycle in cosine_kwargs]
    if not cycles:
        raise ValueError("sgdr_schedule: expected the arguments of at least one cycle, got none")
    ends = [sum(cycle["decay_steps"] for cycle in cycles[: i + 1]) for i in range(len(cycles))]
    schedules: Any = [warmup_cosine_decay_schedule(**cycle) for cycle in cycles]
    joined: Schedule = optax.join_schedules(schedules, ends[:-1])
    return joined


TRACEABLE = (
    cosine_onecycle_schedule,
    exponential_decay,
    linear_onecycle_schedule,
    piecewise_constant_schedule,
    piecewise_interpolate_schedule,
    sgdr_schedule,
    warmup_cosine_decay_schedule,
    warmup_exponential_decay_schedule,
)
"""The schedules of this folder, under optax's names."""


def advice_for_traced(error: BaseException) -> str:
    """What to do about an error of a function that asked for the value of a traced number."""
    names = {schedule.__name__ for schedule in TRACEABLE}
    for frame, _ in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_name
        if frame.f_globals.get("__name__", "").startswith("optax.schedules") and name in names:
            return (
                f"optax.{name} asks for it, so take pj.optim.{name}, which has the same arguments "
                "and values"
            )
    return "draw it with choice([...], static=True) or integer(..., static=True), or use jnp.where"


def _after_warmup(start: Number, peak: Number, steps: Number, schedule: Schedule) -> Schedule:
    """A straight line from start to peak, then a schedule."""

    def warmup(count: Array) -> Array:
        return start + (peak - start) * jnp.clip(count / jnp.maximum(steps, 1), 0.0, 1.0)

    schedules: Any = [warmup, schedule]
    joined: Schedule = optax.join_schedules(schedules, [steps])
    return joined
