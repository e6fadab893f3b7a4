"""`paramjax bench`: is this optimizer better?"""

from __future__ import annotations

import dataclasses
import shlex
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from paramjax.cli._terminal import Exit, console, fail, warn
from paramjax.cli._verdicts import show_results

if TYPE_CHECKING:
    from paramjax.bench import Protocol
    from paramjax.bench._benchmark import Benchmark, Plan
    from paramjax.bench.workloads import Workload

Names = Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME")]
"""An option that may be repeated."""


def _folder(words: list[str]) -> Path:
    """The path that was written; an empty one, as of an unset variable, would be where one is."""
    if not words[0].strip():
        raise ValueError("expected a folder, got an empty path; write . for this one")
    return Path(words[0])


Folder = Annotated[
    Path,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH",
        instance_from_str=_folder,
        is_instance=lambda value: isinstance(value, Path),
        str_from_instance=lambda path: [str(path)],
    ),
]
"""A folder of results."""

QUICK = ("digits_mlp", "table_logistic")
"""The workloads that are compared on by default: they bear verdicts and train in seconds."""


class BadInputError(ValueError):
    """What was asked for cannot be done; the message says why."""


def bench(
    workload: Names = (),
    optimizer: Names = (),
    baseline: str = "adamw",
    replicates: int = 6,
    trials: int = 6,
    tuning_seeds: int = 1,
    report_seeds: int = 2,
    steps: int = 500,
    key: int = 0,
    fixed_split: bool = False,
    these_rows: bool = False,
    margin: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None,
    until_decided: bool = False,
    max_replicates: int = 24,
    out: Folder = Path("paramjax-bench"),
    fresh: bool = False,
    open: bool = False,
) -> int:
    """Tune and train every optimizer on every workload, and say which beat the baseline.

    A replicate is the whole search: its own split of the data, its own trials, the best of
    them chosen on validation rows and scored on test rows. The verdict rests on the paired
    differences of all replicates. Stop it with Ctrl-C: the same command goes on from there.

    Args:
        workload: A name from `paramjax list`, or FILE.py:NAME; repeat for more. "all" takes all
            of the list. Default: those that bear verdicts and train in seconds.
        optimizer: A name from `paramjax list`, or FILE.py:FACTORY; repeat for more. "all" takes
            all of the list. Default: the standard ones, its first.
        baseline: The optimizer that the others are compared with.
        replicates: Replicates of each optimizer; below 6 none can be better or worse.
        trials: Hyperparameters tried in each replicate.
        tuning_seeds: Trainings of each trial.
        report_seeds: Trainings of the best trial of each replicate.
        steps: Steps of each training.
        key: Integer from 0 to 2**64 - 1 that names all randomness.
        fixed_split: Use one split in all replicates: the verdicts are then about this split.
        these_rows: Say what holds on the rows of each workload, not on others like them.
        margin: The largest difference that does not matter, in units of the metric, in place of
            the workload's own.
        until_decided: Add replicates while a verdict is undecided, at looks fixed in advance.
        max_replicates: Most replicates that --until-decided adds up to.
        out: Folder of the results.
        fresh: Delete the results that are there, and start over.
        open: Open the report in a browser.

    Returns:
        Exit code: 0 all compared, 1 damaged records, 2 bad input, 3 an optimizer was left out,
        130 interrupted.
    """
    started = time.perf_counter()
    from paramjax.bench import Protocol

    try:
        protocol = Protocol(
            replicates=replicates, trials=trials, tuning_seeds=tuning_seeds,
            report_seeds=report_seeds, steps=steps, key=key, fixed_split=fixed_split,
            these_rows=these_rows,
        )  # fmt: skip
        plan = make_plan(
            workload, optimizer, baseline, protocol, margin=margin, out=out, fresh=fresh,
            most=max_replicates if until_decided else None,
        )  # fmt: skip
    except (ValueError, TypeError, OSError) as error:
        return fail(error)
    return guarded(out, lambda: _run(plan, started, open_it=open))


def make_plan(
    workloads: Sequence[str], optimizers: Sequence[str], baseline: str, protocol: Protocol, *,
    margin: float | None, out: Path, fresh: bool, most: int | None,
) -> Plan:  # fmt: skip
    """What the words of the command line ask for, before any data is loaded.

    Raises:
        ValueError: For an unknown workload or optimizer, two of one name, or a margin that does
            not fit.
    """
    from paramjax.bench._benchmark import Plan
    from paramjax.bench.entries import find_entries, spec_name

    names = optimizer_names(optimizers)
    entries, excluded = find_entries([baseline, *names])
    if len(entries) + len(excluded) < 2:
        raise ValueError(
            f"optimizers: expected one beside the baseline {baseline}, got none; name it with "
            "--optimizer, or another --baseline"
        )
    if most is not None and most < protocol.replicates:
        raise ValueError(
            f"max_replicates: expected at least the {protocol.replicates} of --replicates, "
            f"got {most}"
        )
    asked = {"workload": list(workloads or QUICK), "optimizer": names}
    return Plan(
        workloads=with_margin(find_workloads(workloads), margin),
        entries=entries,
        baseline=spec_name(baseline),
        protocol=protocol,
        out=out,
        excluded=excluded,
        fresh=fresh,
        most=most,
        flags={**asked, "margin": margin, "max_replicates": most},
    )


def optimizer_names(specs: Sequence[str]) -> list[str]:
    """The optimizers that a user named, "all" written out; the standard ones if none was named."""
    from paramjax.optim import CATALOGUE, STANDARD

    return [one for spec in specs or STANDARD for one in (CATALOGUE if spec == "all" else [spec])]


def find_workloads(specs: Sequence[str]) -> list[Workload]:
    """The workloads that a user named, each once; those by default if none was named.

    Raises:
        ValueError: For an unknown one, or two of one name.
    """
    from paramjax.bench.workloads import WORKLOADS, find_workload

    names = [one for spec in specs or QUICK for one in (WORKLOADS if spec == "all" else [spec])]
    found: dict[str, Workload] = {}
    for spec in dict.fromkeys(names):
        workload = find_workload(spec)
        if workload.name in found:
            raise ValueError(
                f"workload {spec!r}: another one is called {workload.name!r} too; rename it"
            )
        found[workload.name] = workload
    return list(found.values())


def with_margin(workloads: list[Workload], margin: float | None) -> list[Workload]:
    """The workloads with the margin of the command line, if there is one."""
    if margin is None:
        return workloads
    metrics = {workload.metric: workload.name for workload in workloads}
    if len(metrics) > 1:
        decided = ", ".join(f"{name} by {metric}" for metric, name in metrics.items())
        raise ValueError(
            f"margin: {margin:g} cannot hold for metrics of different units ({decided}); name "
            "the workloads of one metric with --workload"
        )
    return [
        dataclasses.replace(workload, margin=margin, margin_reason="set on the command line")
        for workload in workloads
    ]


def guarded(out: Path, work: Callable[[], Exit]) -> Exit:
    """Work that fills a folder; what ends it early is said, with how to go on.

    Returns:
        Its exit code, 2 if what was asked for cannot be done, 1 if records are damaged or cannot
        be written, 130 if the user interrupted it, 143 if SIGTERM did.
    """
    from paramjax.bench._benchmark import BaselineError
    from paramjax.runs._interrupt import Terminated, ending
    from paramjax.tuning import DamagedError

    # what was typed, without what would delete the records
    command = shlex.join(["paramjax", *(word for word in sys.argv[1:] if word != "--fresh")])
    go_on = f"what is finished is kept, go on with: {command}"
    try:
        with ending():
            return work()
    except KeyboardInterrupt:
        return fail(f"interrupted; {go_on}", Exit.INTERRUPTED)
    except Terminated:
        return fail(f"ended by SIGTERM; {go_on}", Exit.TERMINATED)
    except (BadInputError, BaselineError) as error:
        return fail(error)
    except (sqlite3.Error, DamagedError, OSError) as error:
        # a store says itself what to do
        return fail(f"{error}; then go on with: {command}", Exit.FAILED)


def _run(plan: Plan, started: float, *, open_it: bool) -> Exit:
    """Train what is missing, show it, and return the exit code."""
    from paramjax.bench._folder import REPORT_PAGE, write_results
    from paramjax.cli._display import Display

    terminal = console()
    benchmark = ready(plan)
    known, noticed = len(benchmark.excluded), len(benchmark.notices)
    with Display(terminal, plan, len(benchmark.entries)) as display:
        results = benchmark.run(display.show)
    write_results(results, plan.out)
    for name, reason in results.excluded[known:]:
        warn(f"{name} is left out: {reason}")
    for notice in benchmark.notices[noticed:]:
        warn(notice)
    show_results(results, plan.out / REPORT_PAGE, open_it=open_it)
    terminal.print(f"{time.perf_counter() - started:.1f} s in all")
    return Exit.EXCLUDED if results.excluded else Exit.DONE


def ready(plan: Plan) -> Benchmark:
    """The benchmark of a plan, after all checks that come before training.

    Raises:
        BadInputError: If it cannot be done.
        DamagedError: If a store is damaged.
    """
    from paramjax.bench._benchmark import Benchmark
    from paramjax.tuning import DamagedError

    try:
        with console().status("loading data, compiling initialisation"):
            benchmark = Benchmark(plan)
    except DamagedError:
        raise
    except (ValueError, TypeError, OSError) as error:
        raise BadInputError(str(error)) from error
    for name, reason in benchmark.excluded:
        warn(f"{name} is left out: {reason}")
    for notice in benchmark.notices:
        warn(notice)
    return benchmark
