"""`paramjax bench`: is this optimizer better?"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from rich.console import Console

    from paramjax.bench._benchmark import Options, Ready
    from paramjax.bench._runner import Progress

LEFT_OUT, INTERRUPTED = 3, 130


def bench(
    workload: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg()] = (),
    optimizer: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg()] = (),
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
    """Train every optimizer on every workload, and say which are better than the baseline.

    Every optimizer gets the same number of trials. The best one is chosen on validation
    data with the tuning seeds; the verdict comes from test data with other seeds. Stop it
    with Ctrl-C: the same command goes on from there.

    Args:
        workload: A name from `paramjax list`; repeat it for several. All by default.
        optimizer: A name from `paramjax list`, or FILE.py:FACTORY for your own; repeat it
            for several. All of the list by default.
        baseline: The optimizer that the others are compared with.
        trials: Hyperparameters tried for each optimizer.
        tuning_seeds: Trainings of each trial.
        seeds: Trainings of the chosen trial on which the verdict rests, at least 2.
        steps: Steps of each training.
        key: The number that names all randomness.
        out: The folder of the results.
        fresh: Delete the results that are there, and start over.
        open: Open the report in a browser.

    Returns:
        Exit code: 0 all compared, 2 bad input, 3 an optimizer was left out, 130 interrupted.
    """
    started = time.perf_counter()
    from paramjax.bench._benchmark import REPORT_PAGE, Options, make_ready, run
    from paramjax.bench._protocol import Protocol
    from paramjax.cli._terminal import console as make_console
    from paramjax.cli._terminal import fail, show_results, warn
    from paramjax.tuning.store._tables import DamagedError

    console = make_console()
    try:
        protocol = Protocol(trials, tuning_seeds, seeds, steps, key)
        options = Options(workload, optimizer, baseline, protocol, out, fresh)
        with console.status("loading data, compiling initialisation"):
            ready = make_ready(options)
    except (ValueError, TypeError, OSError) as error:
        return fail(str(error))
    for name, reason in ready.excluded:
        warn(f"{name} is left out: {reason}")
    try:
        with _Display(console, options, ready) as display:
            verdicts, excluded = run(options, ready, display.show)
    except KeyboardInterrupt:
        message = f"interrupted; what is finished is kept, go on with: {_command()}"
        return fail(message, INTERRUPTED)
    except (sqlite3.Error, DamagedError) as error:
        return fail(f"{out}: {error}; what is finished is kept, go on with: {_command()}", 1)
    finally:
        ready.records.close()
    for name, reason in excluded[len(ready.excluded) :]:
        warn(f"{name} is left out: {reason}")
    show_results(verdicts, out / REPORT_PAGE, open_it=open)
    console.print(f"{time.perf_counter() - started:.1f} s in all")
    return LEFT_OUT if excluded else 0


class _Display:
    """A bar for each workload in a terminal, a line for each finished optimizer elsewhere."""

    def __init__(self, console: Console, options: Options, ready: Ready) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._console = console
        self._each = options.protocol.trainings
        self._done: dict[tuple[str, str], int] = {}
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("trainings"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[now]}"),
            console=console,
            disable=not console.is_terminal,
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
        if self._done[where] == self._each and not self._console.is_terminal:
            self._console.print(f"{progress.workload}: {progress.optimizer} done", markup=False)


def _command() -> str:
    """What was typed, without what would delete the records."""
    import shlex
    import sys

    words = [word for word in sys.argv[1:] if word != "--fresh"]
    return shlex.join(["paramjax", *words])
