"""Chunks of runs trained by several workers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import NamedTuple

from paramjax._types import PyTree
from paramjax.populations._chunk_result import ChunkResult
from paramjax.populations._layout import Layout
from paramjax.populations._trial_run import TrialRun


class Job(NamedTuple):
    """A chunk to be trained.

    Attributes:
        runs: Its runs.
        layout: How they are laid out.
        resume_state: What they go on from, None at the start; or a function that fetches it.
    """

    runs: Sequence[TrialRun]
    layout: Layout
    resume_state: Callable[[], PyTree] | None = None


def execute(jobs: Iterable[Job], train: Callable[[Job], ChunkResult]) -> Iterator[ChunkResult]:
    """Train chunks, as many side by side as their layout says; yield each as it ends."""
    for workers, some in itertools.groupby(jobs, key=lambda job: job.layout.workers):
        with ThreadPoolExecutor(workers) as pool:
            yield from _side_by_side(pool, 2 * workers, some, train)


def _side_by_side(
    pool: ThreadPoolExecutor, most: int, jobs: Iterator[Job], train: Callable[[Job], ChunkResult]
) -> Iterator[ChunkResult]:
    """No more are handed out than are soon needed, so that results do not pile up."""
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
