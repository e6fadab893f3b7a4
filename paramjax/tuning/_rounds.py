"""A population trained from rung to rung: each chunk is stored as it ends, the best go on."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from paramjax._arrays import by_numpy
from paramjax._status import Status
from paramjax.populations._execute import Job, execute
from paramjax.populations._execution import Layout
from paramjax.populations._outcome import ChunkResult, Outcome, outcomes
from paramjax.populations._population import Population
from paramjax.populations._trial_run import TrialRun, mean_or_worst, segments
from paramjax.populations.planning._execution_plan import ExecutionPlan
from paramjax.populations.planning._guess import even_width
from paramjax.space._tracing import structure
from paramjax.tuning._progress import PopulationProgress
from paramjax.tuning.stopping._schedule import Schedule
from paramjax.tuning.store._record_store import RecordStore


class Rung(NamedTuple):
    """The decision at a rung, a step at which trials may be stopped.

    Attributes:
        step: Steps after which the trials were compared.
        scores: Trial -> its score, the smaller the better, of the trials that reached the rung.
        kept: The trials that went on.
    """

    step: int
    scores: dict[int, float]
    kept: list[int]


class Score(NamedTuple):
    """The metric that ranks trials, and whether larger is better."""

    metric: str = "loss"
    maximise: bool = False

    def __str__(self) -> str:
        """The goal in words, as a store notes it."""
        return f"{'largest' if self.maximise else 'smallest'} {self.metric}"


def train_rounds(
    population: Population, plan: ExecutionPlan, record_store: RecordStore,
    runs: Sequence[TrialRun], *, schedule: Schedule | None = None, score: Score | None = None,
    progress: PopulationProgress,
) -> list[Rung]:  # fmt: skip
    """Train runs from rung to rung; those in the record store are not trained again."""
    rungs: list[Rung] = []
    going = list(runs)
    for first, end in segments([*(schedule.rungs if schedule else ()), population.steps]):
        jobs = _jobs(population, plan, record_store, going, first, end)
        known = [summary.record for summary in record_store.summaries().values()]
        progress.advance(len(going) - sum(len(job.runs) for job in jobs), first, end, known)
        trained = execute(jobs, _trainer(population, record_store, first, end))
        with contextlib.closing(trained) as chunks:
            for chunk in chunks:
                runs_before = chunk.runs if first else ()
                before = [record_store.get(run.trial, run.seed) for run in runs_before]
                ended = outcomes(chunk, end, before)
                record_store.add(ended)
                progress.advance(len(chunk.runs), first, end, [own.record for own in ended])
        if schedule is None or end == population.steps or not going:
            continue
        assert score is not None
        rungs.append(_decided(record_store, schedule, score, going, rungs, end))
        kept = set(rungs[-1].kept)
        stopped = [run for run in going if run.trial not in kept]
        _stop(record_store, stopped)
        progress.stop(len(stopped), end)
        going = [run for run in going if run.trial in kept]
    return rungs


def _trainer(
    population: Population, record_store: RecordStore, first: int, end: int
) -> Callable[[Job], ChunkResult]:
    """A function that trains one chunk between two rungs."""

    def train(job: Job) -> ChunkResult:
        resume_state = None
        if first:
            before = [record_store.get(run.trial, run.seed).resume_state for run in job.runs]
            resume_state = by_numpy(lambda *leaves: np.stack(leaves), *before)
        return population.train(
            job.runs, job.layout,
            first=first, end=end, resume_state=resume_state, last=end == population.steps,
        )  # fmt: skip

    return train


def _jobs(
    population: Population, plan: ExecutionPlan, record_store: RecordStore,
    going: Sequence[TrialRun], first: int, end: int,
) -> list[Job]:  # fmt: skip
    """The chunks with a run that has not reached a rung, cut alike after a restart."""
    reached = _agreed(record_store.reached(), going)
    jobs = []
    for group in population.groups(going):
        layout = plan.layout_of(structure(population.space, group[0].hyperparameters))
        layout = _packed(population, layout, group, first)
        jobs += [
            Job(chunk, layout)
            for chunk in population.chunks(group, layout)
            if any(reached.get((run.trial, run.seed), 0) < end for run in chunk)
        ]
    return jobs


def _agreed(
    reached: dict[tuple[int, int], int], going: Sequence[TrialRun]
) -> dict[tuple[int, int], int]:
    """The least step that each run has reached in any process: one may have been killed earlier."""
    if jax.process_count() == 1:
        return reached
    mine = np.array([reached.get((run.trial, run.seed), 0) for run in going], np.int32)
    least = multihost_utils.process_allgather(mine).min(axis=0).tolist()
    return {(run.trial, run.seed): own for run, own in zip(going, least, strict=True)}


def _packed(
    population: Population, layout: Layout, group: Sequence[TrialRun], first: int
) -> Layout:
    """The layout, or a narrower one if the survivors would not fill its calls."""
    devices = 1 if population.mesh is None else population.mesh.size
    share = math.ceil(len(group) / devices)
    if not first or 2 * math.ceil(share / layout.workers) > layout.width:
        return layout
    return replace(layout, width=even_width(share, layout.width, layout.workers))


def _decided(
    record_store: RecordStore, schedule: Schedule, score: Score, going: Sequence[TrialRun],
    rungs: list[Rung], step: int,
) -> Rung:  # fmt: skip
    """Decide which trials go on, or repeat the decision that was noted before a restart."""
    name = f"rung {step}"
    noted = record_store.notes().get(name)
    if noted is not None:
        scores = {int(trial): value for trial, value in noted["scores"].items()}
        return Rung(step, scores, noted["kept"])
    scores = _scores(record_store, score, going)
    along = {trial: [*(r.scores[trial] for r in rungs), own] for trial, own in scores.items()}
    kept = sorted(schedule.keep(step, along))
    record_store.note({name: {"scores": scores, "kept": kept}})
    return Rung(step, scores, kept)


def _scores(record_store: RecordStore, score: Score, going: Sequence[TrialRun]) -> dict[int, float]:
    """The mean over the seeds of each trial, the smaller the better."""
    sign = -1.0 if score.maximise else 1.0
    values: dict[int, list[float]] = {}
    known = record_store.summaries()
    for run in going:
        record = known[run.trial, run.seed].record
        lost = record.diverged_step is not None
        value = math.inf if lost else sign * record.metrics[score.metric]
        values.setdefault(run.trial, []).append(value)
    return {trial: mean_or_worst(own) for trial, own in values.items()}


def _stop(record_store: RecordStore, runs: Sequence[TrialRun]) -> None:
    """Mark runs as stopped, and delete their resume states."""
    ended = [record_store.get(run.trial, run.seed) for run in runs]
    record_store.add([_stopped(outcome) for outcome in ended if outcome.resume_state is not None])


def _stopped(outcome: Outcome) -> Outcome:
    lost = outcome.record.diverged_step is not None
    status = Status.DIVERGED if lost else Status.STOPPED
    return outcome._replace(record=outcome.record._replace(status=status), resume_state=None)
