"""Schedules by name: a peak, a number of steps and a warm-up are all that they need."""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax.numpy as jnp
import optax

from paramjax._checks import check_count, check_rate, check_scalar, nearest
from paramjax._types import Array, Schedule
from paramjax.optim._piecewise_schedules import (
    Number,
    cosine_onecycle_schedule,
    is_traced,
    linear_onecycle_schedule,
    piecewise_constant_schedule,
)
from paramjax.optim._schedules import exponential_decay, sgdr_schedule


def schedule(
    name: str,
    learning_rate: float | Array,
    steps: int,
    *,
    warmup_steps: int = 0,
    **options: Any,
) -> Schedule:
    r"""A schedule of the learning rate by its name, after a linear warm-up.

    During the W steps of the warm-up the rate rises on a straight line from 0 to the schedule's
    first value (Goyal et al., 2017, section 2.2); the schedule takes the other T - W steps, and
    its last value holds from then on. With s from 0 to 1 along these steps and a the learning
    rate:

    - `constant`: $a$
    - `exponential`: $a\,r^s$; `decay_rate` r = 0.01, `staircase` = None (s moves in so many stairs)
    - `step`: $a\,f^k$ after k boundaries; `boundaries` = (0.5, 0.75), `factor` f = 0.1
    - `polynomial`: $a\,[e + (1 - e)(1 - s)^p]$; `power` p = 2, `end_factor` e = 0
    - `linear`: $a\,[e + (1 - e)(1 - s)]$; `end_factor` e = 0
    - `cosine`: $a\,[e + (1 - e)(\tfrac12 + \tfrac12\cos \pi s)^p]$; `end_factor` e = 0,
      `exponent` p = 1
    - `one_cycle`: up to a and far down; `pct_start` = 0.3, `div_factor` = 25,
      `final_div_factor` = 1e4, `shape` = "cosine" or "linear"
    - `warm_restarts`: `cycles` cosines, each `growth` times as long; `cycles` = 3, `growth` = 2,
      `end_factor` = 0, `peak_factor` = 1 (next peak / peak)

    Args:
        name: A name in `SCHEDULES`.
        learning_rate: a, the largest rate, at least 0; a number or a traced scalar.
        steps: T, warm-up and schedule together, at least 1.
        warmup_steps: W, from 0, below `steps`.
        options: As in the list. Numbers may be traced, but for counts and boundaries.

    Returns:
        `(step) -> rate`.

    Raises:
        TypeError: If a number is of another type, or the schedule does not take an option.
        ValueError: If the name is unknown or a number out of range.

    Example:
        >>> rate = schedule("cosine", 1.0, steps=30, warmup_steps=10)
        >>> [round(float(rate(step)), 3) for step in (0, 5, 10, 20, 30)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    make = _found(name)
    _check_options(name, make, options)
    _check_peak(learning_rate)
    check_count("steps", steps)
    check_count("warmup_steps", warmup_steps, least=0)
    if warmup_steps >= steps:
        raise ValueError(
            f"schedule: expected more steps than the {warmup_steps} of the warm-up, got "
            f"steps={steps}, which counts both; raise it or lower warmup_steps"
        )
    made = make(learning_rate, steps - warmup_steps, **options)
    if warmup_steps == 0:
        return made
    rise = optax.linear_schedule(0.0, made(jnp.zeros([], jnp.int32)), warmup_steps)
    joined: Schedule = optax.join_schedules([rise, made], [warmup_steps])
    return joined


def _constant(peak: Number, steps: int) -> Schedule:
    del steps
    return lambda count: jnp.broadcast_to(jnp.asarray(peak), jnp.shape(count))


def _exponential(
    peak: Number, steps: int, *, decay_rate: Number = 0.01, staircase: int | None = None
) -> Schedule:
    """As `optax.exponential_decay`, whose transition is all the steps or one stair of them."""
    _check_in("decay_rate", decay_rate, above=0.0)
    if staircase is None:
        fall = exponential_decay(peak, steps, decay_rate)
    else:
        check_count("staircase", staircase)
        fall = exponential_decay(
            peak, steps / staircase, decay_rate ** (1 / staircase), staircase=True
        )
    return lambda count: fall(jnp.minimum(count, steps))


def _step(
    peak: Number, steps: int, *, boundaries: Sequence[float] = (0.5, 0.75), factor: Number = 0.1
) -> Schedule:
    check_scalar("factor", factor)
    if not isinstance(boundaries, Iterable):
        raise TypeError(
            f"boundaries: expected shares of the steps, got {boundaries!r}; pass a list"
        )
    shares = list(boundaries)
    for share in shares:
        _check_in("boundaries", share, above=0.0, below=1.0)
    if shares != sorted(set(shares)):
        raise ValueError(f"boundaries: expected rising shares of the steps, got {boundaries}")
    drops = Counter(round(share * steps) for share in shares)  # of few steps, two may fall together
    return piecewise_constant_schedule(peak, {at: factor**times for at, times in drops.items()})


def _polynomial(
    peak: Number, steps: int, *, power: Number = 2.0, end_factor: Number = 0.0
) -> Schedule:
    _check_in("power", power, above=0.0)
    check_scalar("end_factor", end_factor)
    made: Schedule = optax.polynomial_schedule(peak, peak * end_factor, power, steps)
    return made


def _linear(peak: Number, steps: int, *, end_factor: Number = 0.0) -> Schedule:
    return _polynomial(peak, steps, power=1, end_factor=end_factor)


def _cosine(
    peak: Number, steps: int, *, end_factor: Number = 0.0, exponent: Number = 1.0
) -> Schedule:
    check_scalar("end_factor", end_factor)
    _check_in("exponent", exponent, above=0.0)
    made: Schedule = optax.cosine_decay_schedule(peak, steps, end_factor, exponent)
    return made


def _one_cycle(
    peak: Number, steps: int, *, shape: str = "cosine", pct_start: Number = 0.3,
    div_factor: Number = 25.0, final_div_factor: Number = 1e4,
) -> Schedule:  # fmt: skip
    """Smith and Topin (2018), Super-convergence."""
    _check_in("pct_start", pct_start, above=0.0, below=1.0)
    _check_in("div_factor", div_factor, above=0.0)
    _check_in("final_div_factor", final_div_factor, above=0.0)
    makers: dict[str, Callable[..., Schedule]] = {
        "cosine": cosine_onecycle_schedule,
        "linear": linear_onecycle_schedule,
    }
    if shape not in makers:
        raise ValueError(f"one_cycle: {nearest(str(shape), makers, what='shape')}")
    return makers[shape](
        steps, peak, pct_start, div_factor=div_factor, final_div_factor=final_div_factor
    )


def _warm_restarts(
    peak: Number, steps: int, *, cycles: int = 3, growth: float = 2.0,
    end_factor: Number = 0.0, peak_factor: Number = 1.0,
) -> Schedule:  # fmt: skip
    """Loshchilov and Hutter (2017), SGDR; the cycles fill the steps."""
    check_count("cycles", cycles)
    _check_in("growth", growth, above=0.0)
    check_scalar("end_factor", end_factor)
    check_scalar("peak_factor", peak_factor)
    shares = [growth**index for index in range(cycles)]
    ends = [round(steps * sum(shares[: index + 1]) / sum(shares)) for index in range(cycles)]
    lengths = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
    if min(lengths) < 1:
        raise ValueError(
            f"warm_restarts: expected at least one step in each of {cycles} cycles, got {steps} "
            f"steps after the warm-up, which gives {lengths}; take fewer cycles or more steps"
        )
    return sgdr_schedule(
        {
            "init_value": peak * peak_factor**index, "peak_value": peak * peak_factor**index,
            "warmup_steps": 0, "decay_steps": length,
            "end_value": peak * peak_factor**index * end_factor,
        }
        for index, length in enumerate(lengths)
    )  # fmt: skip


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": _constant,
    "exponential": _exponential,
    "step": _step,
    "polynomial": _polynomial,
    "linear": _linear,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
    "warm_restarts": _warm_restarts,
}
"""Name -> `(learning_rate, steps, **options) -> Schedule`, to which `schedule` adds warm-up."""


def _found(name: str) -> Callable[..., Schedule]:
    if name in SCHEDULES:
        return SCHEDULES[name]
    hint = ""
    if "plateau" in str(name):
        hint = "; reduce_on_plateau watches validation, so it is a link: pj.optim.reduce_on_plateau"
    raise ValueError(nearest(str(name), SCHEDULES, what="schedule") + hint)


def _check_options(name: str, make: Callable[..., Schedule], options: dict[str, Any]) -> None:
    """Raise for an option that the schedule does not take."""
    parameters = inspect.signature(make).parameters.values()
    taken = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    for option in options:
        if option not in taken:
            known = [*taken, "warmup_steps"]
            raise TypeError(f"schedule: {nearest(option, known, what=f'option of {name!r}')}")


def _check_peak(learning_rate: Any) -> None:
    if callable(learning_rate):
        raise TypeError(
            "learning_rate: expected a number, the peak of the schedule, got a function; "
            "schedules do not nest, but optax.join_schedules puts one after another"
        )
    check_scalar("learning_rate", learning_rate)


def _check_in(name: str, value: Any, *, above: float, below: float = math.inf) -> None:
    """Raise unless a value is a number in (above, below) or traced."""
    check_rate(name, value)
    if not is_traced(value) and not above < value < below:
        bound = f" and below {below:g}" if below < math.inf else ""
        raise ValueError(f"{name}: expected a number above {above:g}{bound}, got {value:g}")
