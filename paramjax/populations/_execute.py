"""Chunks of runs trained by several workers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import NamedTuple

from paramjax._threads import workers
from paramjax.populations._execution import Layout
from paramjax.populations._outcome import ChunkResult
from paramjax.populations._trial_run import TrialRun
from paramjax.runs._interrupt import Interrupts


class Job(NamedTuple):
    """Runs to train, and their layout."""

    runs: Sequence[TrialRun]
    layout: Layout


_NOTICE = "interrupted: trainings under way end and are kept first; Ctrl-C again leaves them"


def execute(
    jobs: Iterable[Job], train: Callable[[Job], ChunkResult]
) -> Generator[ChunkResult, None, None]:
    """Train each job, as many side by side as its layout says; yield results as they come.

    The first Ctrl-C or SIGTERM lets the jobs under way end, and is raised after their results.
    Close the generator, or handlers of signals stay.
    """
    with Interrupts(terminations=True, notice=_NOTICE) as interrupts:
        for count, some in itertools.groupby(jobs, key=lambda job: job.layout.workers):
            with workers(count) as pool:
                yield from _side_by_side(pool, 2 * count, some, train, interrupts)
            if interrupts.received is not None:
                interrupts.end()


def _side_by_side(
    pool: ThreadPoolExecutor, most: int, jobs: Iterator[Job],
    train: Callable[[Job], ChunkResult], interrupts: Interrupts,
) -> Iterator[ChunkResult]:  # fmt: skip
    """Submit at most `most` jobs ahead, so that results do not pile up."""
    waiting = {pool.submit(train, job) for job in itertools.islice(jobs, most)}
    try:
        while waiting:
            ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            if interrupts.received is None:
                waiting |= {pool.submit(train, job) for job in itertools.islice(jobs, len(ended))}
            else:
                waiting = {future for future in waiting if not future.cancel()}
            for future in ended:
                yield future.result()
    finally:
        for future in waiting:
            future.cancel()
