"""What the subcommands share of the terminal: consoles, errors, links, the table of verdicts."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from paramjax.bench._statistics import Verdict

_WIDE = 110
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


def verdict_tables(verdicts: Sequence[Verdict], *, wide: bool) -> list[Table]:
    """The verdicts as tables: one a workload, one row an optimizer.

    Args:
        verdicts: All of them.
        wide: Whether there is room for the chosen hyperparameters.

    Returns:
        The tables.
    """
    return [
        _workload_table([v for v in verdicts if v.workload == workload], wide=wide)
        for workload in dict.fromkeys(verdict.workload for verdict in verdicts)
    ]


def verdict_warnings(verdicts: Sequence[Verdict]) -> list[str]:
    """What a reader should know before trusting the tables."""
    from paramjax.bench._statistics import FEWEST_SEEDS

    found = []
    for workload in dict.fromkeys(verdict.workload for verdict in verdicts):
        mine = [verdict for verdict in verdicts if verdict.workload == workload]
        lost = [v.optimizer for v in mine if v.diverged_seeds == v.seeds]
        at_edge = [f"{v.optimizer} {', '.join(v.edges)}" for v in mine if v.at_edge]
        if lost:
            found.append(f"{workload}: every training of the report diverged: {', '.join(lost)}")
        if at_edge:
            found.append(
                f"{workload}: the best trial lies at the edge of its space, widen it: "
                + "; ".join(at_edge)
            )
    few = sorted({verdict.seeds for verdict in verdicts if verdict.seeds < FEWEST_SEEDS})
    if few:
        found.append(
            f"with {few[0]} seeds the intervals rest on normality; take {FEWEST_SEEDS} or more"
        )
    return found


def show_results(verdicts: Sequence[Verdict], page: Path, *, open_it: bool) -> None:
    """Print the verdicts with what to know about them, and where the report lies."""
    out = console()
    for table in verdict_tables(verdicts, wide=out.width >= _WIDE):
        out.print(table)
    if not verdicts:
        out.print("no verdicts: the baseline or everyone else is not complete")
    for text in verdict_warnings(verdicts):
        warn(text)
    out.print(f"report: {page.absolute().as_uri()}", soft_wrap=True)
    if open_it:
        open_page(page)


def open_page(path: Path) -> None:
    """Open a page in the browser where there is a screen to show it on."""
    has_screen = sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if has_screen:
        webbrowser.open(path.absolute().as_uri())


def _workload_table(verdicts: Sequence[Verdict], *, wide: bool) -> Table:
    from paramjax.bench.report._formatting import decimals, number

    first, places = verdicts[0], decimals(verdicts)
    table = Table(
        title=f"[bold]{first.workload}[/]: test {first.metric}, against {escape(first.baseline)} "
        f"at {number(first.baseline_value, places)}, {first.seeds} seeds",
        title_style="",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    table.add_column("optimizer", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    for column in ("value", "difference", "95 % interval"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("diverged", overflow="fold")
    if wide:
        table.add_column("chosen hyperparameters", overflow="fold")
    for verdict in verdicts:
        table.add_row(*_row(verdict, places)[: len(table.columns)])
    return table


def _row(verdict: Verdict, places: int) -> list[str]:
    from paramjax.bench.report._formatting import bracketed, number, setting, signed

    colour = _COLOURS[verdict.verdict]
    diverged = [f"{verdict.diverged_trials} trials"] if verdict.diverged_trials else []
    diverged += [f"{verdict.diverged_seeds} seeds"] if verdict.diverged_seeds else []
    chosen = (f"{name}={setting(v)}" for name, v in verdict.hyperparameters.items())
    return [
        escape(verdict.optimizer),
        f"[{colour}]{verdict.verdict}[/]",
        number(verdict.optimizer_value, places),
        signed(verdict.difference, places),
        escape(bracketed(verdict.interval, places)),
        ", ".join(diverged) or "0",
        escape(" ".join(chosen)),
    ]
