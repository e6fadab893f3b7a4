"""Numbers and names as the report and the terminal show them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from paramjax._format import number

ABSENT = "\N{EN DASH}"
"""Stands for a number that there is not."""

_DIGITS = 4


def decimals(margin: float, intervals: Sequence[tuple[float, float]]) -> int:
    """Decimals that show a tenth of the margin, or of the narrowest interval if it is zero.

    Example:
        >>> decimals(0.0056, []), decimals(2.66, []), decimals(0.0, [(-0.02, 0.04)])
        (4, 1, 3)
    """
    widths = [high - low for low, high in intervals if math.isfinite(high - low) and high > low]
    scale = margin or min(widths, default=0.0) / 2 or 0.001
    return min(max(1 - math.floor(math.log10(scale)), 0), 8)


def fixed(value: float, digits: int = _DIGITS) -> str:
    """A value of a metric with a fixed number of decimals.

    Example:
        >>> fixed(0.98078), fixed(1234567.8), fixed(float("nan"))
        ('0.9808', '1.235e6', 'not finite')
    """
    if not math.isfinite(value):
        return "not finite"
    if abs(value) >= 1e5:
        return number(value)
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def signed(value: float, digits: int = _DIGITS) -> str:
    """A difference with its sign.

    Example:
        >>> signed(0.00167), signed(0.0)
        ('+0.0017', '0.0000')
    """
    return ("+" if value > 0 else "") + fixed(value, digits)


def bracketed(interval: tuple[float, float], digits: int = _DIGITS) -> str:
    """An interval in brackets; a dash if an end is not finite.

    Example:
        >>> bracketed((0.001, 0.0025))
        '[+0.0010, +0.0025]'
    """
    if not all(map(math.isfinite, interval)):
        return ABSENT
    low, high = interval
    return f"[{signed(low, digits)}, {signed(high, digits)}]"


def probability(value: float) -> str:
    """A probability to two decimals.

    Example:
        >>> probability(0.5), probability(float("nan"))
        ('0.50', '\N{EN DASH}')
    """
    return f"{value:.2f}" if math.isfinite(value) else ABSENT


def p_text(value: float) -> str:
    """A p-value to two digits or three decimals.

    Example:
        >>> p_text(0.5), p_text(0.0312), p_text(1e-5)
        ('0.50', '0.031', '<0.001')
    """
    if value < 0.001:
        return "<0.001"
    return f"{value:.3f}" if value < 0.1 else probability(value)


def percent(value: float) -> str:
    """A share in percent, to one decimal.

    Example:
        >>> percent(0.0342), percent(1.0), percent(0.0)
        ('3.4 %', '100 %', '0 %')
    """
    return f"{round(100 * value, 1):g} %"


def rank_text(rank: tuple[int, int] | None) -> str:
    """An interval of ranks.

    Example:
        >>> rank_text((1, 3)), rank_text((2, 2)), rank_text(None)
        ('1\N{EN DASH}3', '2', '\N{EN DASH}')
    """
    if rank is None:
        return ABSENT
    first, last = rank
    return str(first) if first == last else f"{first}\N{EN DASH}{last}"


def setting(value: Any) -> str:
    """The value of a hyperparameter: a number to three digits, anything else as in JSON.

    Example:
        >>> setting(0.0542774), setting(True), setting("cosine")
        ('0.0543', 'true', 'cosine')
    """
    if isinstance(value, str):
        return value
    return number(value, 3) if isinstance(value, float) else json.dumps(value, default=str)


def settings(hyperparameters: dict[str, Any]) -> list[str]:
    """Hyperparameters, one `name = value` each."""
    return [f"{name} = {setting(value)}" for name, value in hyperparameters.items()]


def listed(names: Sequence[str]) -> str:
    """Names as in a sentence.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    *first, last = names or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def count(number_of: int, noun: str) -> str:
    """A number with its noun.

    Example:
        >>> count(1, "seed"), count(2, "seed")
        ('1 seed', '2 seeds')
    """
    return f"{number_of:,} {noun}{'' if number_of == 1 else 's'}"
