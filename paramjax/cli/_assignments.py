"""Words such as `b1=1,b2=0.1` and `b1=0:10` of the command line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from paramjax.data._csv import finite_number

_PARTS = re.compile(r",(?=\s*(?:`[^`]*`|[^,=]+)\s*=)")
"""Commas in front of a name and its sign."""


def numbers_of(option: str, words: Iterable[str]) -> dict[str, float]:
    """Numbers by name.

    Raises:
        ValueError: If a word is no `name=number`, or a name comes twice.

    Example:
        >>> numbers_of("--start", ["b1=1, b2=-0.5", "b3=1e3"])
        {'b1': 1.0, 'b2': -0.5, 'b3': 1000.0}
    """
    found: dict[str, float] = {}
    for name, text in _pairs(option, words, "b1=1,b2=0.1"):
        value = finite_number(text)
        if value is None:
            raise ValueError(f"{option}: expected a finite number for {name}, got {text!r}")
        if name in found:
            raise ValueError(f"{option}: {name} comes twice")
        found[name] = value
    return found


def ranges_of(option: str, words: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Lower and upper bounds by name; an end that is left out is infinite.

    Raises:
        ValueError: If a word is no `name=low:high`, or a name comes twice.

    Example:
        >>> ranges_of("--bounds", ["b1=0:10,b2=:5"])
        {'b1': (0.0, 10.0), 'b2': (-inf, 5.0)}
    """
    found: dict[str, tuple[float, float]] = {}
    for name, text in _pairs(option, words, "b1=0:10"):
        ends = [end.strip() for end in text.split(":")]
        if len(ends) != 2:
            raise ValueError(
                f"{option}: expected {name}=low:high such as {name}=0:10, got {text!r}"
            )
        low, high = _end(option, name, ends[0], -1), _end(option, name, ends[1], 1)
        if not low < high:
            raise ValueError(f"{option}: expected {name}=low:high with low below high, got {text}")
        if name in found:
            raise ValueError(f"{option}: {name} comes twice")
        found[name] = (low, high)
    return found


def _end(option: str, name: str, text: str, sign: int) -> float:
    if text.lower().lstrip("+-") in ("", "inf"):
        return sign * math.inf
    value = finite_number(text)
    if value is None:
        raise ValueError(f"{option}: expected a number as a bound of {name}, got {text!r}")
    return value


def _pairs(option: str, words: Iterable[str], such_as: str) -> Iterator[tuple[str, str]]:
    for word in words:
        for part in _PARTS.split(word):
            name, sign, text = part.partition("=")
            name = name.strip().strip("`").strip()
            if not (sign and name and text.strip()):
                raise ValueError(f"{option}: expected {option} {such_as}, got {part!r}")
            yield name, text.strip()
