"""Errors that point at the place in a formula."""

from __future__ import annotations

from paramjax._format import printable

_WIDTH = 72


def refused(text: str, start: int, end: int, message: str) -> ValueError:
    """The error of a piece of a formula: the message, the formula, and carets below the piece.

    Example:
        >>> print(refused("y ~ 2 < x", 6, 7, "comparisons are not allowed"))
        formula: comparisons are not allowed
          y ~ 2 < x
                ^
    """
    line = "".join(" " if letter.isspace() else letter for letter in text)
    end = max(start + 1, end)
    if len(line) > _WIDTH:  # a window around the place
        first = max(0, min(start - _WIDTH // 2, len(line) - _WIDTH))
        cut = line[first : first + _WIDTH]
        line = f"{'...' * (first > 0)}{cut}{'...' * (first + _WIDTH < len(line))}"
        moved = first - 3 * (first > 0)
        start, end = start - moved, min(end - moved, len(line))
    shown = printable(line)
    before = len(printable(line[:start]))
    carets = "^" * max(1, len(printable(line[start:end])))
    return ValueError(f"formula: {message}\n  {shown}\n  {' ' * before}{carets}")
