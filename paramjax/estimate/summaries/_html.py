"""A summary as HTML for a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from paramjax._format import printable
from paramjax.estimate.summaries._cells import cells_of, heads_of
from paramjax.estimate.summaries._text import MOST

if TYPE_CHECKING:
    from paramjax.estimate.summaries._summary import Summary

_NUMBER = ' style="text-align:right;font-variant-numeric:tabular-nums"'


def html_of(summary: Summary) -> str:
    """Title, outcome, facts, table, statistics and notes; at most some sixty parameters."""
    shown = summary.rows[:MOST] if len(summary.rows) > MOST + 5 else summary.rows
    head = "".join(f"<th{_NUMBER}>{_safe(text)}</th>" for text in heads_of(summary))
    body = "".join(_row(row.name, cells_of(row)) for row in shown)
    hidden = len(summary.rows) - len(shown)
    more = f"<p>... and {hidden:,} more; to_frame() holds all</p>" if hidden else ""
    notes = "".join(f"<p>note: {_safe(note)}</p>" for note in summary.notes)
    return (
        f"<div><p><b>{_safe(summary.title)}</b>: {_safe(summary.outcome)}</p>"
        f"{_figures(summary.facts)}"
        f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"{more}{_figures(summary.statistics)}{notes}</div>"
    )


def _safe(text: str) -> str:
    return html.escape(printable(text))


def _row(name: str, cells: Iterable[str]) -> str:
    numbers = "".join(f"<td{_NUMBER}>{_safe(text)}</td>" for text in cells)
    return f'<tr><th style="text-align:left">{_safe(name)}</th>{numbers}</tr>'


def _figures(figures: Mapping[str, str]) -> str:
    texts = (f"{_safe(name)} <b>{_safe(text)}</b>" for name, text in figures.items())
    line = " &middot; ".join(texts)
    return f"<p>{line}</p>" if line else ""
