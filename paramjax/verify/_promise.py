"""What is promised, what was found, and whether the promise was kept."""

from __future__ import annotations

from typing import NamedTuple

from paramjax._format import number
from paramjax.verify._comparison import compare, largest
from paramjax.verify._results import Arrays

EQUAL = "equal bits"


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        compared: What was compared with what.
        promised: "equal bits", or within how much.
        found: "equal bits", or the largest difference and its leaf.
        kept: Whether the promise was kept.
        relative: The largest relative difference, see `Difference`; None where the bits are
            equal, or there was nothing to compare.
        leaf: Where it is, or "".
    """

    compared: str
    promised: str
    found: str
    kept: bool
    relative: float | None = None
    leaf: str = ""


def promise(compared: str, first: Arrays, *others: Arrays, within: float | None = None) -> Finding:
    """Hold results against what is promised of them.

    Whole numbers and keys must be equal to the bit, whatever the tolerance.

    Args:
        compared: What was compared with what.
        first: The result that the others are to equal.
        *others: The others.
        within: Largest relative difference of a leaf; None promises equal bits.

    Returns:
        The finding.

    Raises:
        ValueError: If there is nothing to compare.

    Example:
        >>> import numpy as np
        >>> promise("one", {"w": np.ones(2)}, {"w": np.ones(2) * 1.5}, within=1e-5)[2:4]
        ('5.0e-1 in w', False)
    """
    if not first or not others:
        raise ValueError(f"{compared}: expected two results with leaves to compare, got none")
    differences = [difference for other in others for difference in compare(first, other)]
    promised = promised_words(within)
    worst = largest(differences)
    if worst is None:
        return Finding(compared, promised, EQUAL, True)
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
