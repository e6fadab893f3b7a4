"""`paramjax list`: which optimizers and workloads there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from paramjax.cli._terminal import Exit, console, table

if TYPE_CHECKING:
    from paramjax.bench.workloads import Workload


def list_() -> int:
    """Show the optimizers with their search spaces and sources, and the workloads.

    Returns:
        Exit code 0.
    """
    from paramjax.optim import STANDARD

    out = console()
    out.print(_optimizers())
    out.print(_workloads())
    out.print(f"paramjax bench compares the optimizers down to {STANDARD[-1]} by default, ", end="")
    out.print("all of them with --optimizer all.")
    out.print("paramjax bench also takes your own: --optimizer FILE.py:FACTORY, ", end="")
    out.print("--workload FILE.py:NAME")
    return Exit.DONE


def _optimizers() -> Table:
    from paramjax.optim import CATALOGUE

    nothing = "nothing to search: it finds its learning rate"
    made = _two_columns("optimizer", "search space and source")
    for optimizer in CATALOGUE.values():
        space = [f"{name}: {distribution}" for name, distribution in optimizer.space.items()]
        made.add_row(optimizer.name, _lines(*(space or [nothing]), dim=optimizer.source))
    return made


def _workloads() -> Table:
    from paramjax.bench.workloads import WORKLOADS

    made = _two_columns("workload", "what it is, what decides it, which margin")
    for workload in WORKLOADS.values():
        kept = "" if workload.bears_verdicts else "; kept for speed, too small to carry a verdict"
        made.add_row(workload.name, _lines(workload.description + kept, dim=_terms(workload)))
    return made


def _terms(workload: Workload) -> str:
    better = "larger" if workload.maximise else "smaller"
    margin = "by its metric"
    if workload.margin is not None:
        reason = f" ({workload.margin_reason})" if workload.margin_reason else ""
        margin = f"{workload.margin:g}{reason}"
    return f"test {workload.metric}, {better} is better; margin {margin}"


def _two_columns(first: str, second: str) -> Table:
    made = table()
    made.add_column(first, no_wrap=True)
    made.add_column(second)
    return made


def _lines(*lines: str, dim: str) -> str:
    return "\n".join([*map(escape, lines), f"[dim]{escape(dim)}[/]"])
