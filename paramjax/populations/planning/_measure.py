"""How long a step takes in a layout, by trying it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from paramjax.populations._layout import Layout
from paramjax.populations._structure_group import StructureGroup
from paramjax.populations._trial_run import TrialRun

_SECONDS = 0.05
"""How long a trial of a layout is to take; half of it will do, unless its steps are fewer."""


def seconds_a_step(
    structure_group: StructureGroup,
    runs: Sequence[TrialRun],
    layout: Layout,
    most: int,
) -> float:
    """Time that a run and step takes, compiled and warm, with all workers at work."""
    programs = structure_group.compile(runs[0], layout)
    some = [runs[index % len(runs)] for index in range(programs.runs)]

    def trial(count: int) -> None:
        structure_group.rehearse(some, layout, count)

    with ThreadPoolExecutor(layout.workers) as pool:

        def seconds(count: int) -> float:
            start = time.perf_counter()
            list(pool.map(trial, [count] * layout.workers))
            return time.perf_counter() - start

        seconds(1)
        count, base = 1, seconds(0)
        taken = seconds(1) - base
        while taken < _SECONDS / 2 and count < most:
            count = min(most, max(2 * count, int(count * _SECONDS / max(taken, 1e-6))))
            taken = seconds(count) - base
    return max(taken, 1e-9) / (count * programs.runs * layout.workers)
