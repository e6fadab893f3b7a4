"""`paramjax list`: which optimizers and workloads there are."""

from __future__ import annotations

from rich.table import Table

from paramjax.cli._terminal import Exit, console


def list_() -> int:
    """Show the optimizers with their search spaces and sources, and the workloads.

    Returns:
        Exit code 0.
    """
    from paramjax.bench.workloads import WORKLOADS
    from paramjax.optim import CATALOGUE

    optimizers = Table("optimizer", "search space", "source", title="Optimizers")
    for optimizer in CATALOGUE.values():
        space = "\n".join(f"{name}: {d}" for name, d in optimizer.space.items())
        optimizers.add_row(optimizer.name, space, optimizer.source)
    workloads = Table("workload", "decided by", "what it is", title="Workloads")
    for workload in WORKLOADS.values():
        better = "higher" if workload.maximise else "lower"
        metric = f"test {workload.metric} ({better} is better)"
        workloads.add_row(workload.name, metric, workload.description)
    out = console()
    out.print(optimizers)
    out.print(workloads)
    return Exit.DONE
