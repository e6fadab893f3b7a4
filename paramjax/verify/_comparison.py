"""Two results, leaf by leaf: equal bits, or how far apart they are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from paramjax._checks import describe
from paramjax._format import number
from paramjax.verify._results import Arrays


class Difference(NamedTuple):
    """How two leaves of one name differ.

    Attributes:
        leaf: Its name.
        relative: `max |a - b| / max |a|` over the leaf, so that an entry near zero does not
            count for more than the leaf's size warrants; 0 where only the sign of a zero or
            the payload of a NaN differs; infinite where rounding cannot be the reason: a leaf
            is missing, form, whole numbers or places of NaN and infinity differ, or all of
            `a` is zero.
        why: What differs, where that is infinite or zero.
    """

    leaf: str
    relative: float
    why: str = ""

    def __str__(self) -> str:
        """As a table shows it."""
        if self.why:
            return f"{self.leaf}: {self.why}"
        return f"{number(self.relative, 2)} in {self.leaf}"


def compare(first: Arrays, second: Arrays) -> list[Difference]:
    """The leaves whose bits are not equal.

    Args:
        first: Name -> numbers; the relative differences are relative to these.
        second: Name -> numbers.

    Returns:
        Their differences, in the order of the leaves; none where all bits are equal.

    Example:
        >>> a = {"w": np.array([1.0, 4.0]), "b": np.zeros(1)}
        >>> print(*compare(a, {"w": np.array([1.0, 4.2]), "b": np.zeros(1)}))
        5.0e-2 in w
        >>> compare(a, a)
        []
    """
    names = [*first, *(name for name in second if name not in first)]
    found = (_compare_leaf(name, first.get(name), second.get(name)) for name in names)
    return [difference for difference in found if difference is not None]


def largest(differences: Iterable[Difference]) -> Difference | None:
    """The difference that is farthest from rounding, None where there is none.

    Args:
        differences: Of some leaves.

    Example:
        >>> largest([Difference("v", 1e-7), Difference("w", 1e-6)]).leaf
        'w'
    """
    return max(differences, key=lambda difference: difference.relative, default=None)


def _compare_leaf(name: str, a: np.ndarray | None, b: np.ndarray | None) -> Difference | None:
    if a is None or b is None:
        side = "first" if a is None else "second"
        return Difference(name, math.inf, f"missing in the {side} run")
    if a.dtype != b.dtype or a.shape != b.shape:
        return Difference(name, math.inf, f"{describe(a)} became {describe(b)}")
    if a.tobytes() == b.tobytes():
        return None
    if not jnp.issubdtype(a.dtype, jnp.inexact):
        return Difference(name, math.inf, "other whole numbers")
    return _compare_numbers(name, a, b)


def _compare_numbers(name: str, a: np.ndarray, b: np.ndarray) -> Difference:
    """Leaves of one form that hold floating-point numbers of other bits."""
    finite = np.isfinite(a)
    if (
        not np.array_equal(a[~finite], b[~finite], equal_nan=True)
        or not np.isfinite(b[finite]).all()
    ):
        return Difference(name, math.inf, "other numbers are not finite")
    # in double precision, so that the difference of two large numbers does not overflow
    kind = np.complex128 if np.iscomplexobj(a) else np.float64
    numbers = a[finite].astype(kind)
    apart = np.abs(numbers - b[finite].astype(kind)).max(initial=0.0)
    if apart == 0:
        return Difference(name, 0.0, "signs of zeros or payloads of NaN")
    scale = np.abs(numbers).max(initial=0.0)
    if scale == 0:
        return Difference(name, math.inf, f"zeros became {number(apart, 2)}")
    return Difference(name, float(apart / scale))
