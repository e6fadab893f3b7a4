"""The verdicts of a benchmark in the terminal: tables, what to know about them, the report."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from paramjax.cli._terminal import console, table, warn

if TYPE_CHECKING:
    from paramjax.bench import Verdict

_WIDE = 110
"""Columns from which there is room for the chosen hyperparameters."""

_COLOURS = {"better": "green", "worse": "red", "undecided": "yellow"}


def show_results(verdicts: Sequence[Verdict], page: Path, *, open_it: bool) -> None:
    """Print the verdicts, warnings about them, and the address of the report."""
    out = console()
    workloads = {v.workload: [w for w in verdicts if w.workload == v.workload] for v in verdicts}
    for of_workload in workloads.values():
        out.print(_verdict_table(of_workload, wide=out.width >= _WIDE))
    if not verdicts:
        out.print("no verdicts: neither the baseline nor a second optimizer has all its trainings")
    for text in verdict_warnings(workloads):
        warn(text)
    out.print(f"report: {page.absolute().as_uri()}", soft_wrap=True)
    has_screen = sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if open_it and has_screen:
        webbrowser.open(page.absolute().as_uri())


def verdict_warnings(workloads: dict[str, list[Verdict]]) -> list[str]:
    """What a reader should know before trusting the tables."""
    from paramjax.bench._statistics import FEWEST_SEEDS

    found = []
    for workload, verdicts in workloads.items():
        lost = [v.optimizer for v in verdicts if v.diverged_seeds == v.seeds]
        at_edge = [f"{v.optimizer} {', '.join(v.edges)}" for v in verdicts if v.at_edge]
        if lost:
            found.append(f"{workload}: every training of the report diverged: {', '.join(lost)}")
        if at_edge:
            found.append(
                f"{workload}: the best trial lies at the edge of its space, widen it: "
                + "; ".join(at_edge)
            )
    seeds = [verdict.seeds for verdicts in workloads.values() for verdict in verdicts]
    if seeds and (fewest := min(seeds)) < FEWEST_SEEDS:
        found.append(
            f"with {fewest} seeds the intervals rest on normality; take {FEWEST_SEEDS} or more"
        )
    return found


def _verdict_table(verdicts: Sequence[Verdict], *, wide: bool) -> Table:
    from paramjax.bench.report._formatting import decimals, fixed

    first, digits = verdicts[0], decimals(verdicts)
    made = table(
        f"[bold]{first.workload}[/]: test {first.metric}, against {escape(first.baseline)} "
        f"at {fixed(first.baseline_value, digits)}, {first.seeds} seeds"
    )
    made.add_column("optimizer", overflow="fold")
    made.add_column("verdict", no_wrap=True)
    for column in ("value", "difference", "95 % interval"):
        made.add_column(column, justify="right", no_wrap=True)
    made.add_column("diverged", overflow="fold")
    if wide:
        made.add_column("chosen hyperparameters", overflow="fold")
    for verdict in verdicts:
        made.add_row(*_row(verdict, digits)[: len(made.columns)])
    return made


def _row(verdict: Verdict, digits: int) -> list[str]:
    from paramjax.bench.report._formatting import bracketed, fixed, setting, signed

    colour = _COLOURS[verdict.verdict]
    diverged = [f"{verdict.diverged_trials} trials"] if verdict.diverged_trials else []
    diverged += [f"{verdict.diverged_seeds} seeds"] if verdict.diverged_seeds else []
    chosen = (f"{name}={setting(v)}" for name, v in verdict.hyperparameters.items())
    return [
        escape(verdict.optimizer),
        f"[{colour}]{verdict.verdict}[/]",
        fixed(verdict.optimizer_value, digits),
        signed(verdict.difference, digits),
        escape(bracketed(verdict.interval, digits)),
        ", ".join(diverged) or "0",
        escape(" ".join(chosen)),
    ]
