"""`paramjax calibrate`: how often are the verdicts of a protocol wrong, and what do they find?"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.markup import escape
from rich.table import Table

from paramjax.cli._bench import BadInputError, Folder, Names, find_workloads, guarded, with_margin
from paramjax.cli._terminal import Exit, console, fail, table, warn

if TYPE_CHECKING:
    from paramjax.bench import Protocol
    from paramjax.bench._benchmark import Plan
    from paramjax.bench._calibrate import Calibration


def calibrate(
    workload: Names = (),
    optimizer: Names = (),
    baseline: str = "adamw",
    comparisons: int = 40,
    replicates: int = 6,
    trials: int = 6,
    tuning_seeds: int = 1,
    report_seeds: int = 2,
    steps: int = 500,
    key: int = 0,
    fixed_split: bool = False,
    margin: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None,
    out: Folder = Path("paramjax-bench"),
    fresh: bool = False,
) -> int:
    """Count the false verdicts of a protocol, and what it finds.

    The baseline is compared with a copy of itself that draws trials of its own: who calls the
    copy better or worse is wrong. Then the copy's scores are moved by half a standard deviation,
    one and two: who calls it worse is right. No two comparisons share a replicate. The report of
    a benchmark in the same folder shows what was found.

    Args:
        workload: A name from `paramjax list`, or FILE.py:NAME; repeat for more.
        optimizer: Others to compare with the baseline as often; repeat for more. Default: none.
        baseline: The optimizer that is compared with its copy.
        comparisons: Comparisons of each pair, each of its own replicates.
        replicates: Replicates of each comparison.
        trials: Hyperparameters tried in each replicate.
        tuning_seeds: Trainings of each trial.
        report_seeds: Trainings of the best trial of each replicate.
        steps: Steps of each training.
        key: Integer from 0 to 2**64 - 1 that names all randomness.
        fixed_split: Use one split in all replicates: the verdicts are then about this split.
        margin: The largest difference that does not matter, in place of the workload's own.
        out: Folder of the benchmark; replicates are kept in its folder `calibration`.
        fresh: Delete the replicates that are there, and start over.

    Returns:
        Exit code: 0, 1 damaged records, 2 bad input, 130 interrupted.
    """
    started = time.perf_counter()
    from paramjax._checks import check_count
    from paramjax.bench import Protocol
    from paramjax.bench._benchmark import Plan
    from paramjax.bench.entries import find_entries, spec_name

    try:
        check_count("comparisons", comparisons)
        protocol = Protocol(
            replicates=replicates, trials=trials, tuning_seeds=tuning_seeds,
            report_seeds=report_seeds, steps=steps, key=key, fixed_split=fixed_split,
        )  # fmt: skip
        entries, excluded = find_entries([baseline, *optimizer])
        plan = Plan(
            workloads=with_margin(find_workloads(workload), margin), entries=entries,
            baseline=spec_name(baseline), protocol=protocol, out=out / "calibration",
            excluded=excluded, fresh=fresh, flags={"comparisons": comparisons, "margin": margin},
        )  # fmt: skip
    except (ValueError, TypeError, OSError) as error:
        return fail(error)
    for name, reason in excluded:
        warn(f"{name} is left out: {reason}")
    return guarded(out, lambda: _run(plan, comparisons, out, started))


def _run(plan: Plan, comparisons: int, out: Path, started: float) -> Exit:
    """Train the replicates that are missing, judge them, and keep what was found."""
    from paramjax.bench._calibrate import calibrate
    from paramjax.cli._display import Display
    from paramjax.tuning import DamagedError

    whole = dataclasses.replace(plan.protocol, replicates=comparisons * plan.protocol.replicates)
    terminal = console()
    try:
        shown = dataclasses.replace(plan, protocol=whole)
        with Display(terminal, shown, len(plan.entries) + 1) as display:
            found = calibrate(plan, comparisons, display.show)
    except DamagedError:
        raise
    except (ValueError, TypeError) as error:
        raise BadInputError(str(error)) from error
    known = keep(found, plan.protocol, out)
    terminal.print(_about(plan.protocol), markup=False)
    for one in found:
        terminal.print(_table(one.workload, {"workloads": {one.workload: known[one.workload]}}))
    terminal.print(f"kept for the report in {out}; {time.perf_counter() - started:.1f} s in all")
    return Exit.DONE


def keep(found: Sequence[Calibration], protocol: Protocol, out: Path) -> dict[str, Any]:
    """Write calibrations beside a benchmark; other workloads of the same protocol stay.

    Returns:
        Workload -> its calibration, as values of JSON.
    """
    from paramjax.bench._calibrate import as_json
    from paramjax.bench._folder import CALIBRATION
    from paramjax.bench._seals import read_sealed, write_sealed

    path, made = out / CALIBRATION, as_json(found, protocol)
    try:
        before = read_sealed(path)
    except (OSError, ValueError):
        before = {}  # none, or a damaged one, which is replaced
    if before.get("protocol") == made["protocol"]:
        made["workloads"] = {**before["workloads"], **made["workloads"]}
    write_sealed(path, made)
    workloads: dict[str, Any] = made["workloads"]
    return workloads


def _about(protocol: Protocol) -> str:
    return (
        f"Verdicts of {protocol.replicates} replicates of {protocol.trials} trials and "
        f"{protocol.steps} steps, uncorrected; key {protocol.key}. Intervals are exact at 95 % "
        "(Clopper and Pearson, 1934)."
    )


def _table(workload: str, calibration: dict[str, Any]) -> Table:
    from paramjax.bench.report._answers import calibration_rows

    made = table(f"[bold]{escape(workload)}[/]")
    made.add_column("case")
    for column in ("share", "95 % interval", "of"):
        made.add_column(column, justify="right", no_wrap=True)
    for _, *row in calibration_rows(calibration):
        made.add_row(*map(escape, row))
    return made
