"""The progress of a benchmark: a line for each workload that does not change its width."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from rich.console import Console, JustifyMethod
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
)
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

if TYPE_CHECKING:
    from paramjax.bench._benchmark import Plan
    from paramjax.bench._runner import Progress

_WIDEST = 132
"""Columns beyond which a line grows no wider."""

_NAME, _LEFT = 22, len("0:00:00 left")


class Display:
    """A bar for each workload in a terminal, a line for each finished optimizer elsewhere.

    Args:
        terminal: Where it is shown.
        plan: What is compared.
        optimizers: How many of its optimizers take part.
    """

    def __init__(self, terminal: Console, plan: Plan, optimizers: int) -> None:
        self._terminal, self._lock = terminal, threading.Lock()
        self._looks = [look * plan.protocol.trainings for look in plan.looks]
        self._counted: dict[tuple[str, str], int] = {}
        self._most: dict[tuple[str, str], int] = {}
        names = [workload.name for workload in plan.workloads]
        self._bars = Bars(
            *bar_columns(min(terminal.width, _WIDEST), names, self._looks[-1] * optimizers),
            console=terminal,
            disable=not terminal.is_terminal,
            speed_estimate_period=600.0,  # a chunk of trainings may take longer than rich's 30 s
        )
        self._totals = dict.fromkeys(names, self._looks[0] * optimizers)
        self._tasks = {
            name: self._bars.add_task(name, total=self._totals[name], now=now)
            for name, now in zip(names, ["compiling", *["waiting"] * len(names)], strict=False)
        }

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        for name, task in self._tasks.items() if kind is None else ():
            # an optimizer that was left out on the way has trained less than was expected
            done = self._done_on(name)
            self._bars.update(task, total=done, completed=done, now="done")
        self._bars.stop()

    def show(self, progress: Progress) -> None:
        """Count trainings that were found or made; called from the training threads."""
        with self._lock:
            name = progress.workload
            if name not in {workload for workload, _ in self._counted}:
                self._bars.reset(self._tasks[name])  # its time begins
            self._count(progress)
            done = self._done_on(name)
            self._totals[name] = max(self._totals[name], done)
            now = f"{progress.phase} {progress.optimizer}"
            if done == self._totals[name]:
                now = "done"
            task = self._tasks[name]
            self._bars.update(task, completed=done, total=self._totals[name], now=now)

    def _count(self, progress: Progress) -> None:
        """Add trainings; the next look says again which are there, so it counts from the start."""
        which = (progress.workload, progress.optimizer)
        counted = self._counted.get(which, 0)
        if not progress.trained and counted in self._looks:
            counted = 0
        counted += progress.trainings
        self._counted[which], before = counted, self._most.get(which, 0)
        self._most[which] = max(before, counted)
        if counted in self._looks and counted > before and not self._terminal.is_terminal:
            self._terminal.print(f"{which[0]}: {which[1]} done", markup=False)

    def _done_on(self, workload: str) -> int:
        return sum(count for (name, _), count in self._most.items() if name == workload)


class _Left(ProgressColumn):
    """Time that is left, and the whole time at the end."""

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(f"{_clock(task.finished_time)}", style="progress.elapsed")
        return Text(f"{_clock(task.time_remaining)} left", style="progress.remaining")


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "-:--:--"
    whole = min(int(seconds), 35_999)  # one digit of hours
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def bar_columns(width: int, names: list[str], most: int) -> list[ProgressColumn]:
    """Columns of fixed width, which fill a line: name, bar, count, time left, field `now`."""
    name = min(max(map(len, names)), _NAME)
    counted = 2 * len(str(most)) + 1
    rest = width - name - counted - _LEFT - 4  # a space between two columns
    bar = max(4, min(rest // 3, 40))
    return [
        TextColumn("{task.description}", markup=False, table_column=_column(name)),
        BarColumn(bar_width=None, table_column=_column(bar)),
        MofNCompleteColumn(table_column=_column(counted, "right")),
        _Left(table_column=_column(_LEFT, "right")),
        TextColumn("{task.fields[now]}", markup=False, table_column=_column(max(4, rest - bar))),
    ]


def _column(width: int, justify: JustifyMethod = "left") -> Column:
    return Column(width=width, no_wrap=True, overflow="ellipsis", justify=justify)
