"""Two results, leaf by leaf: equal bits, or how far they differ, and whether that was promised."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from paramjax._checks import describe
from paramjax._format import number
from paramjax.verify._results import Arrays

EQUAL = "equal bits"


class Difference(NamedTuple):
    """How two leaves of one name differ.

    Attributes:
        leaf: Its name.
        relative: `max |a - b| / max |a|` over the leaf, so that an entry near zero does not
            count for more than the leaf's size warrants; 0 if only the sign of a zero or the
            payload of a NaN differs; infinite if rounding cannot be the reason: a leaf is
            missing, dtype, shape, integers or the positions of NaN and infinity differ, or all
            of `a` is zero.
        why: What differs, if `relative` is infinite or zero.
    """

    leaf: str
    relative: float
    why: str = ""

    def __str__(self) -> str:
        if self.why:
            return f"{self.leaf}: {self.why}"
        return f"{number(self.relative, 2)} in {self.leaf}"


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        compared: What was compared with what.
        promised: "equal bits", or within how much.
        found: "equal bits", or the largest difference and its leaf.
        kept: Whether the promise was kept.
        relative: The largest relative difference, see `Difference`; None if the bits are equal
            or the check failed.
        leaf: The leaf of that difference, or "".
    """

    compared: str
    promised: str
    found: str
    kept: bool
    relative: float | None = None
    leaf: str = ""


def compare(first: Arrays, second: Arrays) -> list[Difference]:
    """Find the leaves whose bits are not equal.

    Args:
        first: Name -> array; the relative differences are relative to these.
        second: Name -> array.

    Returns:
        Their differences, in the order of the leaves; empty if all bits are equal.

    Example:
        >>> a = {"w": np.array([1.0, 4.0]), "b": np.zeros(1)}
        >>> print(*compare(a, {"w": np.array([1.0, 4.2]), "b": np.zeros(1)}))
        0.05 in w
        >>> compare(a, a)
        []
    """
    found = (
        _compare_leaf(n, first.get(n), second.get(n)) for n in dict.fromkeys([*first, *second])
    )
    return [difference for difference in found if difference is not None]


def promise(compared: str, first: Arrays, *others: Arrays, within: float | None = None) -> Finding:
    """Compare results, and say whether they are as close as promised.

    Integers and keys must be equal to the bit, whatever the tolerance.

    Args:
        compared: What was compared with what, for the report.
        first: The result that the others are to equal.
        *others: The others.
        within: Largest relative difference of a leaf; None promises equal bits.

    Returns:
        The finding.

    Raises:
        ValueError: If there is nothing to compare.

    Example:
        >>> promise("one", {"w": np.ones(2)}, {"w": np.ones(2) * 1.5}, within=1e-5)[2:4]
        ('0.5 in w', False)
    """
    if not first or not others:
        raise ValueError(f"{compared}: expected two results with leaves to compare, got none")
    differences = [difference for other in others for difference in compare(first, other)]
    promised = promised_words(within)
    if not differences:
        return Finding(compared, promised, EQUAL, True)
    worst = max(differences, key=lambda difference: difference.relative)
    kept = within is not None and worst.relative <= within
    differing = len({difference.leaf for difference in differences})
    count = f" ({differing} of {len(first)} leaves differ)" if within is None else ""
    return Finding(compared, promised, f"{worst}{count}", kept, worst.relative, worst.leaf)


def promised_words(within: float | None) -> str:
    """A promise in words.

    Example:
        >>> promised_words(None), promised_words(1e-5)
        ('equal bits', 'within 1e-5')
    """
    return EQUAL if within is None else f"within {number(within, 1)}"


def _compare_leaf(name: str, a: np.ndarray | None, b: np.ndarray | None) -> Difference | None:
    if a is None or b is None:
        side = "first" if a is None else "second"
        return Difference(name, math.inf, f"missing in the {side} run")
    if a.dtype != b.dtype or a.shape != b.shape:
        return Difference(name, math.inf, f"{describe(a)} became {describe(b)}")
    if a.tobytes() == b.tobytes():
        return None
    if not jnp.issubdtype(a.dtype, jnp.inexact):
        return Difference(name, math.inf, "other integers")
    return _compare_numbers(name, a, b)


def _compare_numbers(name: str, a: np.ndarray, b: np.ndarray) -> Difference:
    """Compare floating-point leaves of equal dtype and shape whose bits differ."""
    finite = np.isfinite(a)
    if (
        not np.array_equal(a[~finite], b[~finite], equal_nan=True)
        or not np.isfinite(b[finite]).all()
    ):
        return Difference(name, math.inf, "other numbers are not finite")
    # in double precision, so that the difference of two large numbers does not overflow
    kind = np.complex128 if np.iscomplexobj(a) else np.float64
    numbers = a[finite].astype(kind)
    distance = np.abs(numbers - b[finite].astype(kind)).max(initial=0.0)
    if distance == 0:
        return Difference(name, 0.0, "signs of zeros or payloads of NaN")
    scale = np.abs(numbers).max(initial=0.0)
    if scale == 0:
        return Difference(name, math.inf, f"zeros became {number(distance, 2)}")
    return Difference(name, float(distance / scale))
