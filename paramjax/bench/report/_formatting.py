"""Numbers and names as a reader sees them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from paramjax._format import number as significant
from paramjax.bench._statistics import Verdict

_LEAST, _MOST = 4, 8


def decimals(verdicts: Sequence[Verdict]) -> int:
    """Decimal places at which every interval of a workload can be told from a point and from zero.

    Example:
        >>> decimals([])
        4
    """
    places = [_LEAST]
    for low, high in (verdict.interval for verdict in verdicts):
        half = (high - low) / 2
        ends = [abs(end) for end in (low, high) if abs(end) > half / 100]
        places += [_place(half) + 1] if half else []
        places += [_place(end) for end in ends]
    return min(max(places), _MOST)


def number(value: float, places: int = _LEAST) -> str:
    """A metric's value.

    Example:
        >>> number(0.98078), number(1234567.8), number(float("nan"))
        ('0.9808', '1.235e+06', 'not finite')
    """
    if not math.isfinite(value):
        return "not finite"
    text = f"{value:.{places}f}" if abs(value) < 1e5 else f"{value:.4g}"
    return text.replace("-", "\N{MINUS SIGN}") if abs(value) < 1e5 else text


def signed(value: float, places: int = _LEAST) -> str:
    """A difference, with its sign.

    Example:
        >>> signed(0.00167), signed(0.0)
        ('+0.0017', '0.0000')
    """
    return ("+" if value > 0 else "") + number(value, places)


def bracketed(interval: tuple[float, float], places: int = _LEAST) -> str:
    """An interval in brackets.

    Example:
        >>> bracketed((0.001, 0.0025))
        '[+0.0010, +0.0025]'
    """
    low, high = interval
    return f"[{signed(low, places)}, {signed(high, places)}]"


def setting(value: Any) -> str:
    """One hyperparameter: a number to three digits, anything else as JSON writes it.

    Example:
        >>> setting(0.0542774), setting(True), setting("cosine")
        ('0.0543', 'true', 'cosine')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return significant(value, 3)
    return json.dumps(value, default=str)


def settings(hyperparameters: dict[str, Any]) -> list[str]:
    """Hyperparameters, one `name = value` each.

    Example:
        >>> settings({"learning_rate": 0.1})
        ['learning_rate = 0.1']
    """
    return [f"{name} = {setting(value)}" for name, value in hyperparameters.items()]


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def count(number_of: int, noun: str) -> str:
    """A number with its noun.

    Example:
        >>> count(1, "seed"), count(2, "seed")
        ('1 seed', '2 seeds')
    """
    return f"{number_of:,} {noun}{'' if number_of == 1 else 's'}"


def _place(value: float) -> int:
    """Place of the first digit of a positive number after the point."""
    return max(0, math.ceil(-math.log10(value)))
