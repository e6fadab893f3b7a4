"""What a layout takes: seconds a step, by trying it; bytes of calls, results and records."""

from __future__ import annotations

import time
from collections.abc import Sequence

from paramjax._arrays import nbytes
from paramjax._threads import workers
from paramjax.populations._execution import Layout
from paramjax.populations._population import Population
from paramjax.populations._structure_group import StructureGroup
from paramjax.populations._trial_run import TrialRun

_SECONDS = 0.05
"""How long a trial of a layout shall take; half of it suffices."""


def seconds_a_step(
    structure_group: StructureGroup, runs: Sequence[TrialRun], layout: Layout, most: int
) -> float:
    """Seconds for one step of one run, compiled and warm, with all workers busy."""
    programs = structure_group.compile(runs[0], layout)
    some = [runs[index % len(runs)] for index in range(programs.runs)]

    def trial(count: int) -> None:
        structure_group.rehearse(some, layout, count)

    with workers(layout.workers) as pool:

        def seconds(count: int) -> float:
            start = time.perf_counter()
            list(pool.map(trial, [count] * layout.workers))
            return time.perf_counter() - start

        count = 1 if layout.stepwise else programs.burst
        seconds(count)
        base = seconds(0)
        taken = seconds(count) - base
        while taken < _SECONDS / 2 and count < most:
            count = min(most, max(2 * count, int(count * _SECONDS / max(taken, 1e-6))))
            taken = seconds(count) - base
    return max(taken, 1e-9) / (count * programs.runs * layout.workers)


_WRITTEN = 4
"""Copies of a call's results in memory while they are written to a file."""

_RECORD, _NUMBER = 2048, 48
"""Bytes of a record without its numbers, and of a number with its index in a list."""


def calls_bytes(
    population: Population, structure_group: StructureGroup, layout: Layout, *, on_disk: bool
) -> int:
    """Bytes of the calls under way: their arrays, and results that are not stored yet.

    Each worker has one call under way, and one that may have ended. With a file, the results of
    one more call are held as arrays, as bytes and in SQLite.
    """
    programs = structure_group.programs(layout.width)
    results = programs.runs * result_bytes(population, structure_group)
    waiting = 2 * layout.workers + (_WRITTEN if on_disk else 0)
    return layout.workers * programs.bytes_of_a_call() + waiting * results


def result_bytes(population: Population, structure_group: StructureGroup) -> int:
    """Bytes of the results of a run: parameters, history, curve."""
    traced = structure_group.traced
    return (
        nbytes(traced.kept.out)
        + population.steps * nbytes(traced.step.out[1])
        + len(population.evaluation_steps) * nbytes(traced.evaluate.out)
    )


def record_bytes(population: Population, structure_group: StructureGroup) -> int:
    """Bytes of the record of a run, as Python objects."""
    metrics = len(structure_group.traced.evaluate.out or structure_group.traced.step.out[1])
    return _RECORD + _NUMBER * (metrics + 2) * (len(population.evaluation_steps) + 1)
