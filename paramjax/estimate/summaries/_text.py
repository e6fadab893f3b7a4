"""A summary as text of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from paramjax._display import WIDTH
from paramjax._format import printable
from paramjax.estimate.summaries._cells import cells_of, heads_of, shortened

if TYPE_CHECKING:
    from paramjax.estimate.summaries._summary import Summary

MOST = 60
"""Parameters that are listed; of more the first ones are, and the others are counted."""

_GAP = 2


def text_of(summary: Summary) -> str:
    """Title, outcome, facts, table, statistics and notes."""
    blocks = [
        [printable(summary.title), f"outcome: {summary.outcome}"],
        _pairs(summary.facts),
        _table(summary),
        _pairs(summary.statistics),
        [line for note in summary.notes for line in _note(note)],
    ]
    rule = "-" * WIDTH
    lines = [*_wrapped(blocks[0]), *blocks[1], rule, *blocks[2], rule, *blocks[3], *blocks[4]]
    return "\n".join(lines)


def _wrapped(lines: Sequence[str]) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, WIDTH, subsequent_indent="  ")]


def _note(note: str) -> list[str]:
    return textwrap.wrap(f"note: {printable(note)}", WIDTH, subsequent_indent="      ")


def _pairs(figures: Mapping[str, str]) -> list[str]:
    """Names and figures side by side, two of them a line where both fit.

    Example:
        >>> _pairs({"rows": "14", "AIC": "3.25"})
        ['rows                                14    AIC                               3.25']
    """
    half = WIDTH // 2 - _GAP
    lines, waiting = [], ""
    for name, text in figures.items():
        pair = f"{printable(name)}{printable(text):>{max(1, half - len(name))}}"
        if len(pair) > half:
            lines += [waiting] * bool(waiting) + _wrapped([f"{printable(name)}  {printable(text)}"])
            waiting = ""
        elif waiting:
            lines.append(f"{waiting}{' ' * 2 * _GAP}{pair}")
            waiting = ""
        else:
            waiting = pair
    return lines + [waiting] * bool(waiting)


def _table(summary: Summary) -> list[str]:
    """A line for each parameter; a name that does not fit has a line of its own."""
    shown = summary.rows[:MOST] if len(summary.rows) > MOST + 5 else summary.rows
    heads = heads_of(summary)
    cells = [cells_of(row) for row in shown]
    names = [printable(row.name) for row in shown]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    room = WIDTH - sum(widths) - _GAP * len(widths)
    first = min(room, max([len("parameter"), *map(len, names)]))
    spare = max(0, min(2, (room - first) // len(widths)))  # wider gaps where there is room
    widths = [width + spare for width in widths]
    lines = [_line("", first, heads, widths)]
    for name, texts in zip(names, cells, strict=True):
        if len(name) > first:
            lines += [shortened(name, WIDTH), _line("", first, texts, widths)]
        else:
            lines.append(_line(name, first, texts, widths))
    if len(shown) < len(summary.rows):
        lines.append(f"... and {len(summary.rows) - len(shown):,} more; to_frame() holds all")
    return lines


def _line(name: str, first: int, texts: Sequence[str], widths: Sequence[int]) -> str:
    cells = (f"{text:>{width + _GAP}}" for text, width in zip(texts, widths, strict=True))
    return f"{name:<{first}}{''.join(cells)}"
