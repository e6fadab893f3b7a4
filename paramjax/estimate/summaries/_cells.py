"""Numbers of a summary as texts: each row to the digits that its standard error leaves it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from paramjax._format import number

if TYPE_CHECKING:
    from paramjax.estimate.summaries._summary import Row, Summary

_DIGITS = 4
"""Significant digits of a standard error."""

_WIDEST = 11
"""Characters of a number at most; longer ones are written with an exponent."""


def heads_of(summary: Summary) -> tuple[str, ...]:
    """The heads of the columns behind the names."""
    tail = (1 - summary.level) / 2
    symbol = summary.symbol
    ends = (f"[{tail:.4g}", f"{1 - tail:.4g}]")
    return ("estimate", "std. error", symbol, f"P>|{symbol}|", *ends)


def cells_of(row: Row) -> tuple[str, ...]:
    """The numbers of one parameter.

    Example:
        >>> from paramjax.estimate import Row
        >>> cells_of(Row("b1", 238.94212918, 2.7070075241, 88.26797, 3e-19, 233.04405, 244.8402))
        ('238.942', '2.707', '88.268', '<1e-16', '233.044', '244.840')
    """
    error, numbers = _rounded(row)
    return numbers[0], error, ratio_text(row.ratio), p_text(row.p_value), *numbers[1:]


def _rounded(row: Row) -> tuple[str, list[str]]:
    """The standard error, and estimate and ends to its last digit, the estimate to three at least.

    Example:
        >>> from paramjax.estimate import Row
        >>> _rounded(Row("b", 0.0358, 125.0, 0.0, 1.0, -250.0, 250.0))
        ('125.0', ['0.0358', '-250.0000', '250.0000'])
    """
    values = (row.estimate, row.low, row.high)
    plainly = [plain(value, 6) for value in values]
    if not (math.isfinite(row.error) and row.error > 0):
        return plain(row.error, _DIGITS), plainly
    own = _decimals(row.error, _DIGITS)
    error = _fixed(row.error, own) or plain(row.error, _DIGITS)
    decimals = max(own, _decimals(row.estimate, 3)) if row.estimate else own
    texts = [_fixed(value, decimals) for value in values]
    return error, texts if all(texts) else plainly


def _decimals(value: float, digits: int) -> int:
    """Decimals that show so many significant digits."""
    return max(0, digits - 1 - math.floor(math.log10(abs(value)))) if math.isfinite(value) else 0


def _fixed(value: float, decimals: int) -> str:
    """The number with so many decimals, or an empty text if that is too long."""
    if decimals > _WIDEST - 2:
        return ""
    text = f"{value:.{decimals}f}"
    return text if len(text) <= _WIDEST else ""


def plain(value: float, digits: int) -> str:
    """A number to so many digits, NaN for one that is not known."""
    return "NaN" if math.isnan(value) else number(value, digits)


def ratio_text(ratio: float) -> str:
    """A ratio to three decimals, a large one to four digits."""
    return f"{ratio:.3f}" if abs(ratio) < 1e4 else plain(ratio, 4)


def p_text(p_value: float) -> str:
    """A p value to four decimals, a small one to two digits.

    Example:
        >>> p_text(0.04312), p_text(2.13e-7), p_text(0.0)
        ('0.0431', '2.1e-7', '<1e-16')
    """
    if p_value < 1e-16:
        return "<1e-16"
    return f"{p_value:.4f}" if p_value >= 1e-3 else plain(p_value, 2)


def shortened(name: str, width: int) -> str:
    """A name without its middle if it is longer.

    Example:
        >>> shortened("income per head and year", 11)
        'inco...year'
    """
    half = (width - 3) // 2
    return name if len(name) <= width else f"{name[:half]}...{name[-half:]}"
