"""Chunks of runs trained by several workers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import NamedTuple

from paramjax.populations._execution import Layout
from paramjax.populations._outcome import ChunkResult
from paramjax.populations._trial_run import TrialRun


class Job(NamedTuple):
    """Runs to train, and their layout."""

    runs: Sequence[TrialRun]
    layout: Layout


def execute(jobs: Iterable[Job], train: Callable[[Job], ChunkResult]) -> Iterator[ChunkResult]:
    """Train each job, as many side by side as its layout says; yield results as they come."""
    for workers, some in itertools.groupby(jobs, key=lambda job: job.layout.workers):
        with ThreadPoolExecutor(workers) as pool:
            yield from _side_by_side(pool, 2 * workers, some, train)


def _side_by_side(
    pool: ThreadPoolExecutor, most: int, jobs: Iterator[Job], train: Callable[[Job], ChunkResult]
) -> Iterator[ChunkResult]:
    """Submit at most `most` jobs ahead, so that results do not pile up."""
    waiting = {pool.submit(train, job) for job in itertools.islice(jobs, most)}
    try:
        while waiting:
            ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            waiting |= {pool.submit(train, job) for job in itertools.islice(jobs, len(ended))}
            for future in ended:
                yield future.result()
    finally:
        for future in waiting:
            future.cancel()
