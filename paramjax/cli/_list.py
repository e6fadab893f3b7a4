"""`paramjax list`: which optimizers and workloads there are."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from paramjax.cli._terminal import Exit, console, table


def list_() -> int:
    """Show the optimizers with their search spaces and sources, and the workloads.

    Returns:
        Exit code 0.
    """
    out = console()
    out.print(_optimizers())
    out.print(_workloads())
    out.print("`paramjax bench` also takes your own: FILE.py:FACTORY and FILE.py:WORKLOAD")
    return Exit.DONE


def _optimizers() -> Table:
    from paramjax.optim import CATALOGUE

    made = table("[bold]Optimizers[/]")
    made.add_column("optimizer", no_wrap=True)
    made.add_column("search space", no_wrap=True)
    made.add_column("source")
    for optimizer in CATALOGUE.values():
        space = "\n".join(f"{name}: {d}" for name, d in optimizer.space.items())
        made.add_row(optimizer.name, escape(space), escape(optimizer.source))
    return made


def _workloads() -> Table:
    from paramjax.bench.workloads import WORKLOADS

    made = table("[bold]Workloads[/]")
    made.add_column("workload", no_wrap=True)
    made.add_column("decided by")
    made.add_column("margin")
    made.add_column("what it is")
    for workload in WORKLOADS.values():
        better = "larger" if workload.maximise else "smaller"
        speed = "" if workload.bears_verdicts else "; kept for speed, too small for a verdict"
        own = workload.margin
        margin = "by its metric" if own is None else f"{own:g}: {workload.margin_reason}"
        made.add_row(
            workload.name,
            f"test {workload.metric}, {better} is better",
            escape(margin),
            escape(workload.description + speed),
        )
    return made
