"""What rules of early stopping refuse."""

from __future__ import annotations

import math
from typing import Any

from paramjax._checks import check_count, describe


def check_reduction(rule: str, reduction: Any) -> None:
    """Refuse a factor that keeps everybody."""
    if isinstance(reduction, bool) or not isinstance(reduction, int | float):
        raise TypeError(f"{rule}: reduction: expected a number above 1, got {describe(reduction)}")
    if not 1 < reduction < math.inf:
        raise ValueError(f"{rule}: reduction: expected a number above 1, got {reduction}")


def check_steps(rule: str, name: str, value: Any) -> None:
    """Refuse a number of steps that is none; None passes."""
    if value is not None:
        check_count(f"{rule}: {name}", value)


def check_fewer(rule: str, name: str, value: int, steps: int) -> None:
    """Refuse a first rung that no run reaches before its end."""
    if value >= steps:
        raise ValueError(
            f"{rule}: {name}: expected fewer than the {steps} steps of a run, got {value}"
        )
