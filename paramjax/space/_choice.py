"""One of several options."""

from __future__ import annotations

import enum
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paramjax._checks import INT32_MAX, describe
from paramjax.space._distribution import equal, plain, same
from paramjax.space._ranges import FLOAT32_MAX


@dataclass(frozen=True)
class Choice:
    """One of several options, each equally likely."""

    options: tuple[Any, ...]
    static: bool
    logarithmic = False

    def __str__(self) -> str:
        return f"choice({list(self.options)})"

    def quantile(self, u: float) -> Any:
        """The option at probability `u` in [0, 1]."""
        return self.options[min(int(u * len(self.options)), len(self.options) - 1)]


def option_index(value: Any, options: Sequence[Any]) -> int:
    """The index of the option that a value is, or else equals, up to float32; -1 for none.

    Example:
        >>> option_index(max, [min, max]), option_index((3, 3), [(1, 1), (3, 3)])
        (1, 1)
        >>> option_index(True, [1, 2])
        -1
    """
    for alike in (operator.is_, equal, same):
        for index, option in enumerate(options):
            if alike(value, option):
                return index
    return -1


def choice(options: Sequence[Any], *, static: bool | None = None) -> Choice:
    """One of several options, each equally likely.

    Args:
        options: One or more distinct values, in a list, a tuple or an array of one axis.
        static: Whether a value is structure (needs its own program) or a traced number.
            By default numbers are traced; booleans, members of an enum and everything else are
            structure. An option
            that is structure reaches the trainer as the object that is given here.

    Returns:
        A distribution for a search space.

    Raises:
        TypeError: If the options are not iterable, a set, which has no order, a string or a
            mapping.
        ValueError: If there are no options, two are equal, one is NaN, a traced number is not
            finite or too large for the programs, or a non-number is to be traced.

    Example:
        >>> choice(["relu", "tanh"]).static, choice([0.9, 0.99]).static
        (True, False)
    """
    # the order of strings in a set changes from process to process
    if not isinstance(options, Iterable) or isinstance(options, set | frozenset | str | bytes):
        raise TypeError(f"choice: expected a list of options, got {describe(options)}")
    if isinstance(options, Mapping):
        raise TypeError(
            f"choice: expected a list of options, got {describe(options)}; pass list(options) for "
            "its keys, or list(options.values())"
        )
    if getattr(options, "ndim", 1) == 0:
        raise TypeError(
            f"choice: expected a list of options, got one number, {describe(options)}; pass [value]"
        )
    options = tuple(options)
    if not options:
        raise ValueError("choice: expected at least one option, got none")
    if any(_alike(a, b) for i, a in enumerate(options) for b in options[:i]):
        raise ValueError(f"choice: expected distinct options, got {options}")
    numbers = tuple(map(plain, options))
    if any(isinstance(o, float) and math.isnan(o) for o in numbers):
        raise ValueError(f"choice: expected options that equal themselves, got {options}")
    numeric = all(
        isinstance(o, int | float) and not isinstance(o, bool | enum.Enum) for o in numbers
    )
    if static is False and not numeric:
        raise ValueError(f"choice: only numbers can be traced, got {options}; drop static=False")
    static = not numeric if static is None else static
    if static:
        return Choice(options, static=True)
    options = numbers
    if any(isinstance(o, float) and not abs(o) <= FLOAT32_MAX for o in options):
        raise ValueError(
            f"choice: expected traced numbers finite within float32, got {options}; give "
            "static=True to keep them as they are"
        )
    if any(isinstance(o, int) and abs(o) > INT32_MAX for o in options):
        raise ValueError(
            f"choice: expected traced whole numbers within int32, got {options}; "
            "give static=True, or floats"
        )
    return Choice(options, static)


def _alike(one: Any, other: Any) -> bool:
    """Whether two options cannot be told apart; as in a table, True is 1."""
    numbers = plain(one), plain(other)
    if all(isinstance(number, int | float) for number in numbers):
        return bool(numbers[0] == numbers[1])
    return equal(one, other)
