"""What the subcommands share of the terminal: consoles, errors, links, the table of verdicts."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from paramjax.bench.statistics import Verdict

_COLOURS = {"better": "green", "worse": "red", "undecided": "yellow"}


def console(*, stderr: bool = False) -> Console:
    """A console that does not squeeze tables where the width is unknown."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else 132, highlight=False)


def fail(message: str, code: int = 2) -> int:
    """Print an error and return its exit code."""
    console(stderr=True).print(f"[red]error:[/] {escape(message)}", soft_wrap=True)
    return code


def warn(message: str) -> None:
    """Print a warning."""
    console(stderr=True).print(f"[yellow]warning:[/] {escape(message)}", soft_wrap=True)


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """The verdicts as a table: one row an optimizer and workload."""
    table = Table(title=f"Verdicts against {verdicts[0].baseline}" if verdicts else "No verdicts")
    for column in ("workload", "optimizer", "verdict"):
        table.add_column(column, overflow="fold")
    for column in ("test metric", "baseline", "difference [95 % interval]"):
        table.add_column(column, justify="right")
    for column in ("chosen hyperparameters", "diverged"):
        table.add_column(column, overflow="fold")
    before = None
    for verdict in verdicts:
        if before not in (None, verdict.workload):
            table.add_section()
        table.add_row(*_row(verdict, shows_workload=verdict.workload != before))
        before = verdict.workload
    return table


def verdict_warnings(verdicts: Sequence[Verdict]) -> list[str]:
    """What a reader should know before trusting the table."""
    found = [
        f"{v.workload}, {v.optimizer}: the best trial lies at the edge of its space "
        f"({', '.join(v.edges)}); widen it"
        for v in verdicts
        if v.at_edge
    ]
    few = sorted({v.seeds for v in verdicts if v.seeds < 6})
    if few:
        found.append(f"with {few[0]} seeds the intervals rest on normality; take 6 or more")
    return found


def open_page(path: Path) -> None:
    """Open a page in the browser where there is a screen to show it on."""
    has_screen = sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if has_screen:
        webbrowser.open(path.absolute().as_uri())


def _row(verdict: Verdict, *, shows_workload: bool) -> list[str]:
    colour = _COLOURS[verdict.verdict]
    low, high = verdict.interval
    diverged = [f"{verdict.diverged_trials} trials"] if verdict.diverged_trials else []
    diverged += [f"{verdict.diverged_seeds} seeds"] if verdict.diverged_seeds else []
    return [
        f"{verdict.workload}\n[dim]{verdict.metric}[/]" if shows_workload else "",
        escape(verdict.optimizer),
        f"[{colour}]{verdict.verdict}[/]",
        f"{verdict.optimizer_value:.4f}",
        f"{verdict.baseline_value:.4f}",
        escape(f"{verdict.difference:+.4f} [{low:+.4f}, {high:+.4f}]"),
        escape(" ".join(f"{n}={_short(v)}" for n, v in verdict.hyperparameters.items())),
        ", ".join(diverged) or "0",
    ]


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
