"""What is refused of the numbers that weight and temper a loss."""

from __future__ import annotations

import math
from typing import Any

import jax

from paramjax._checks import describe


def check_scalar(name: str, value: Any, *, low: float = 0.0, high: float = math.inf) -> None:
    """Refuse what is not one finite number in [low, high]; traced scalars pass.

    Args:
        name: The argument, for the message.
        value: A number or a traced scalar.
        low: Smallest value allowed.
        high: Largest value allowed; infinity itself never is.

    Raises:
        TypeError: If it is no number; a schedule is none, because a loss is not told the
            step.
        ValueError: If it has axes, is not finite, or is out of range.

    Example:
        >>> check_scalar("mixing", 1.0, high=1.0)
    """
    if callable(value):
        raise TypeError(
            f"{name}: expected a number, got a function; a loss is not told the step, so count it "
            "in the model_state of a stateful loss and weight that loss there"
        )
    if getattr(value, "shape", ()) != ():
        raise ValueError(f"{name}: expected one number, got {describe(value)}")
    if isinstance(value, jax.core.Tracer):
        return
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected a number, got {describe(value)}") from None
    if not (math.isfinite(number) and low <= number <= high):
        bound = "finite" if high == math.inf else f"to {high:g}"
        raise ValueError(f"{name}: expected a number from {low:g}, {bound}, got {number:g}")
