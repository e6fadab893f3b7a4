"""`paramjax bench`: is this optimizer better?"""

from __future__ import annotations

import shlex
import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from paramjax.cli._terminal import Exit, console, fail, warn
from paramjax.cli._verdicts import show_results

if TYPE_CHECKING:
    from paramjax.bench._benchmark import Options, Ready
    from paramjax.bench._runner import Progress

_Names = Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NAME")]


def bench(
    workload: _Names = (),
    optimizer: _Names = (),
    baseline: str = "adamw",
    trials: int = 16,
    tuning_seeds: int = 2,
    seeds: int = 10,
    steps: int = 500,
    key: int = 0,
    out: Path = Path("paramjax-bench"),
    fresh: bool = False,
    open: bool = False,
) -> int:
    """Train every optimizer on every workload, and say which beat the baseline.

    Every optimizer gets the same number of trials. The best one is chosen on validation
    data with the tuning seeds; the verdict comes from test data with other seeds. Stop it
    with Ctrl-C: the same command goes on from there.

    Args:
        workload: A name from `paramjax list`; repeat for more. Default: all.
        optimizer: A name from `paramjax list`, or FILE.py:FACTORY; repeat for more. Default: all.
        baseline: The optimizer that the others are compared with.
        trials: Hyperparameters tried for each optimizer.
        tuning_seeds: Trainings of each trial.
        seeds: Trainings of the chosen trial on which the verdict rests, at least 2.
        steps: Steps of each training.
        key: Integer from 0 to 2**32 - 1 that names all randomness.
        out: Folder of the results.
        fresh: Delete the results that are there, and start over.
        open: Open the report in a browser.

    Returns:
        Exit code: 0 all compared, 2 bad input, 3 an optimizer was left out, 130 interrupted.
    """
    started = time.perf_counter()
    from paramjax.bench import Protocol
    from paramjax.bench._benchmark import REPORT_PAGE, Options, make_ready, run
    from paramjax.tuning import DamagedError

    terminal = console()
    try:
        protocol = Protocol(trials, tuning_seeds, seeds, steps, key)
        options = Options(workload, optimizer, baseline, protocol, out, fresh)
        with terminal.status("loading data, compiling initialisation"):
            ready = make_ready(options)
    except (ValueError, TypeError, OSError) as error:
        return fail(error)
    for name, reason in ready.excluded:
        warn(f"{name} is left out: {reason}")
    # what was typed, without what would delete the records
    command = shlex.join(["paramjax", *(word for word in sys.argv[1:] if word != "--fresh")])
    go_on = f"what is finished is kept, go on with: {command}"
    try:
        with _Display(terminal, options, ready) as display:
            verdicts, excluded = run(options, ready, display.show)
    except KeyboardInterrupt:
        return fail(f"interrupted; {go_on}", Exit.INTERRUPTED)
    except (sqlite3.Error, DamagedError) as error:
        return fail(f"{out}: {error}; {go_on}", Exit.FAILED)
    finally:
        ready.records.close()
    for name, reason in excluded[len(ready.excluded) :]:
        warn(f"{name} is left out: {reason}")
    show_results(verdicts, out / REPORT_PAGE, open_it=open)
    terminal.print(f"{time.perf_counter() - started:.1f} s in all")
    return Exit.EXCLUDED if excluded else Exit.DONE


class _Display:
    """A bar for each workload in a terminal, a line for each finished optimizer elsewhere."""

    def __init__(self, terminal: Console, options: Options, ready: Ready) -> None:
        from rich import progress as columns

        self._terminal = terminal
        self._each = options.protocol.trainings
        self._done: dict[tuple[str, str], int] = {}
        self._bars = columns.Progress(
            columns.TextColumn("{task.description}"),
            columns.BarColumn(),
            columns.MofNCompleteColumn(),
            columns.TextColumn("trainings"),
            columns.TimeElapsedColumn(),
            columns.TextColumn("left"),
            columns.TimeRemainingColumn(),
            columns.TextColumn("[dim]{task.fields[now]}"),
            console=terminal,
            disable=not terminal.is_terminal,
        )
        total = self._each * len(ready.entries)
        self._tasks = {
            stage.workload.name: self._bars.add_task(stage.workload.name, total=total, now="")
            for stage in ready.stages
        }

    def __enter__(self) -> _Display:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def show(self, progress: Progress) -> None:
        """Count trainings that were recorded; called from the training threads."""
        where = (progress.workload, progress.optimizer)
        self._done[where] = self._done.get(where, 0) + progress.trainings
        now = f"{progress.optimizer}: {progress.phase}"
        self._bars.update(self._tasks[progress.workload], advance=progress.trainings, now=now)
        if self._done[where] == self._each and not self._terminal.is_terminal:
            self._terminal.print(f"{progress.workload}: {progress.optimizer} done", markup=False)
