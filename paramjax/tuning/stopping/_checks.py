"""What rules of early stopping refuse."""

from __future__ import annotations

import math
from typing import Any

from paramjax._checks import check_count, describe


def check_reduction(rule: str, reduction: Any) -> None:
    """Refuse a factor that keeps everybody.

    Args:
        rule: Name of the rule.
        reduction: The factor, above 1.

    Raises:
        TypeError: If it is no number.
        ValueError: If it is not above 1, or not finite.
    """
    if isinstance(reduction, bool) or not isinstance(reduction, int | float):
        raise TypeError(f"{rule}: reduction: expected a number above 1, got {describe(reduction)}")
    if not 1 < reduction < math.inf:
        raise ValueError(f"{rule}: reduction: expected a number above 1, got {reduction}")


def check_steps(rule: str, name: str, value: Any) -> None:
    """Refuse a number of steps that is none; None passes.

    Args:
        rule: Name of the rule.
        name: The argument.
        value: What was given.

    Raises:
        TypeError: If it is not a whole number.
        ValueError: If it is less than 1.
    """
    if value is not None:
        check_count(f"{rule}: {name}", value)


def check_fewer(rule: str, name: str, value: int, steps: int) -> None:
    """Refuse a first rung that no run reaches before its end.

    Raises:
        ValueError: If it is not less than the steps of a run.
    """
    if value >= steps:
        raise ValueError(
            f"{rule}: {name}: expected fewer than the {steps} steps of a run, got {value}"
        )
