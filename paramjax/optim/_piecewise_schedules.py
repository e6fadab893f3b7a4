"""Schedules from corner to corner, whose numbers may be traced; see `_schedules`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._types import Array, Schedule

Number = float | Array
"""A number, or a traced scalar."""


def piecewise_constant_schedule(
    init_value: Number, boundaries_and_scales: Mapping[int, Number] | None = None
) -> Schedule:
    """A rate that is multiplied by a factor at each of some steps.

    As `optax.piecewise_constant_schedule`; the value and the factors may be traced.

    Args:
        init_value: The rate before the first of them.
        boundaries_and_scales: Step -> factor from that step on, at least 0.

    Returns:
        `(step) -> rate`.

    Raises:
        ValueError: If a factor is negative.

    Example:
        >>> rate = piecewise_constant_schedule(1.0, {10: 0.1, 20: 0.5})
        >>> [round(float(rate(step)), 3) for step in (9, 10, 20)]
        [1.0, 0.1, 0.05]
    """
    scales = _checked_scales("piecewise_constant_schedule", boundaries_and_scales)

    def schedule(count: Array) -> Array:
        value = jnp.asarray(init_value)
        for boundary, scale in scales:
            value = jnp.where(count < boundary, value, value * scale)
        return value

    return schedule


def piecewise_interpolate_schedule(
    interpolate_type: str,
    init_value: Number,
    boundaries_and_scales: Mapping[int, Number] | None = None,
) -> Schedule:
    """As `piecewise_constant_schedule`, with a smooth way from each value to the next.

    As `optax.piecewise_interpolate_schedule`; the value and the factors may be traced.

    Args:
        interpolate_type: "linear" or "cosine".
        init_value: The rate at step 0.
        boundaries_and_scales: Step -> factor that is reached there, at least 0.

    Returns:
        `(step) -> rate`.

    Raises:
        ValueError: If the type is another, or a factor is negative.

    Example:
        >>> rate = piecewise_interpolate_schedule("linear", 1.0, {10: 0.5, 20: 0.0})
        >>> [round(float(rate(step)), 3) for step in (0, 5, 10, 15, 20)]
        [1.0, 0.75, 0.5, 0.25, 0.0]
    """
    if interpolate_type not in ("linear", "cosine"):
        raise ValueError(
            "piecewise_interpolate_schedule: expected interpolate_type 'linear' or 'cosine', got "
            f"{interpolate_type!r}"
        )
    scales = _checked_scales("piecewise_interpolate_schedule", boundaries_and_scales)
    return _interpolated(interpolate_type == "cosine", init_value, scales)


def linear_onecycle_schedule(
    transition_steps: int,
    peak_value: Number,
    pct_start: Number = 0.3,
    pct_final: Number = 0.85,
    div_factor: Number = 25.0,
    final_div_factor: Number = 1e4,
) -> Schedule:
    """Up to the peak, down to where it began, and further down, on straight lines (Smith and
    Topin, 2018, Super-convergence).

    As `optax.linear_onecycle_schedule`; all numbers but the steps may be traced.

    Args:
        transition_steps: Steps of the cycle, positive.
        peak_value: The largest rate.
        pct_start: Share of the steps at which it is reached, in (0, 1).
        pct_final: Share of the steps at which the rate is back at `peak_value / div_factor`.
        div_factor: Peak divided by the first rate.
        final_div_factor: First rate divided by the last.

    Returns:
        `(step) -> rate`.

    Raises:
        ValueError: If there are no steps.

    Example:
        >>> rate = linear_onecycle_schedule(100, 1.0, div_factor=10.0)
        >>> [round(float(rate(step)), 3) for step in (0, 30, 85, 100)]
        [0.1, 1.0, 0.1, 0.0]
    """
    _check_cycle("linear_onecycle_schedule", transition_steps)
    corners = [
        (_floor(pct_start * transition_steps), div_factor),
        (_floor(pct_final * transition_steps), 1.0 / div_factor),
        (transition_steps, 1.0 / final_div_factor),
    ]
    return _interpolated(False, peak_value / div_factor, _ordered(corners))


def cosine_onecycle_schedule(
    transition_steps: int,
    peak_value: Number,
    pct_start: Number = 0.3,
    div_factor: Number = 25.0,
    final_div_factor: Number = 1e4,
) -> Schedule:
    """Up to the peak and far down, on half waves of a cosine (Smith and Topin, 2018,
    Super-convergence).

    As `optax.cosine_onecycle_schedule`; all numbers but the steps may be traced.

    Args:
        transition_steps: Steps of the cycle, positive.
        peak_value: The largest rate.
        pct_start: Share of the steps at which it is reached, in (0, 1).
        div_factor: Peak divided by the first rate.
        final_div_factor: First rate divided by the last.

    Returns:
        `(step) -> rate`.

    Raises:
        ValueError: If there are no steps.

    Example:
        >>> rate = cosine_onecycle_schedule(100, 1.0, div_factor=10.0)
        >>> [round(float(rate(step)), 3) for step in (0, 15, 30, 100)]
        [0.1, 0.55, 1.0, 0.0]
    """
    _check_cycle("cosine_onecycle_schedule", transition_steps)
    corners = [
        (_floor(pct_start * transition_steps), div_factor),
        (transition_steps, 1.0 / (div_factor * final_div_factor)),
    ]
    return _interpolated(True, peak_value / div_factor, _ordered(corners))


def _interpolated(
    cosine: bool, init_value: Number, corners: list[tuple[Number, Number]]
) -> Schedule:
    """From corner to corner, each a step and the factor that is reached there."""

    def schedule(count: Array) -> Array:
        value = start = jnp.asarray(init_value, float)
        begin: Any = 0
        for end, scale in corners:
            share = (count - begin) / jnp.maximum(end - begin, 1)
            share = 0.5 * (1 - jnp.cos(jnp.pi * share)) if cosine else share
            reached = start * scale
            between = start + (reached - start) * share
            value = jnp.where(count >= end, reached, jnp.where(count >= begin, between, value))
            start, begin = reached, end
        return value

    return schedule


def _ordered(corners: list[tuple[Number, Number]]) -> list[tuple[Number, Number]]:
    """As optax orders them: by step, of several at one step the last."""
    steps = [step for step, _ in corners]
    return corners if is_traced(*steps) else sorted(dict(corners).items())


def _checked_scales(who: str, scales: Mapping[int, Number] | None) -> list[tuple[Number, Number]]:
    for step, scale in (scales or {}).items():
        if not is_traced(scale) and not scale >= 0:
            raise ValueError(f"{who}: expected factors of at least 0, got {scale} at step {step}")
    return sorted((scales or {}).items())


def _check_cycle(who: str, steps: int) -> None:
    if not is_traced(steps) and steps <= 0:
        raise ValueError(f"{who}: expected transition_steps of at least 1, got {steps}")


def _floor(steps: Number) -> Number:
    return jnp.floor(steps) if is_traced(steps) else int(steps)


def is_traced(*numbers: Any) -> bool:
    """Whether one of the numbers is known only when the program runs."""
    return any(isinstance(number, jax.core.Tracer) for number in numbers)
