"""Training: every optimizer's population on every workload, into the records."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any, NamedTuple

import jax
import numpy as np

from paramjax._hashes import checksums, content_hash
from paramjax._types import PyTree
from paramjax.bench._entries import Entry, Excluded, one_line
from paramjax.bench._preflight import PreflightError, first_step, make_trainer
from paramjax.bench._protocol import REPORT, TUNING, Protocol
from paramjax.bench._records import Records
from paramjax.bench._rows import WorkloadRow
from paramjax.bench._selection import best_trial
from paramjax.bench.workloads._workload import Workload
from paramjax.data._splits import Splits
from paramjax.data._validation import check_data
from paramjax.optim import Optimizer
from paramjax.populations._execution import Layout
from paramjax.populations._outcome import records as record_all
from paramjax.populations._population import Population
from paramjax.populations._starts import Starts, prepare_starts
from paramjax.populations._trial_run import TrialRun
from paramjax.populations.planning._guess import cores
from paramjax.tuning.store._tables import DamagedError


class Progress(NamedTuple):
    """Trainings of one optimizer on one workload that were just found in or added to the records.

    Attributes:
        workload: Name of the workload.
        optimizer: Name of the optimizer.
        phase: `tuning` or `report`.
        trainings: How many.
        trained: False if an earlier call had trained them.
    """

    workload: str
    optimizer: str
    phase: str
    trainings: int
    trained: bool


class Stage(NamedTuple):
    """A workload that is ready to train.

    Attributes:
        workload: The workload.
        splits: Its data, on the device.
        starts: The starts of all seeds, shared by every optimizer.
    """

    workload: Workload
    splits: Splits
    starts: Starts


class StoppedError(Exception):
    """Training ended early because the user asked for it."""


def prepare(workload: Workload, protocol: Protocol) -> Stage:
    """Load and check the data, and initialise all seeds."""
    splits = workload.load()
    for part in splits:
        check_data(part)
    starts = prepare_starts(workload.init, protocol.starts_key, protocol.all_seed_numbers)
    return Stage(workload, Splits(*(jax.device_put(part) for part in splits)), starts)


def preflight(
    stages: Sequence[Stage], entries: Sequence[Entry], protocol: Protocol
) -> tuple[list[Entry], list[Excluded]]:
    """Let every optimizer from a user's file take its first step; exclude those that fail.

    The test suite does so with the optimizers of the catalogue.
    """
    fit_to_train, excluded = [], []
    for entry in entries:
        try:
            if entry.file is not None:
                for stage in stages:
                    train = stage.splits.train
                    first_step(stage.workload, entry.optimizer, protocol, stage.starts, train)
        except PreflightError as error:
            excluded.append(Excluded(entry.optimizer.name, str(error)))
        else:
            fit_to_train.append(entry)
    return fit_to_train, excluded


def note_rules(
    records: Records,
    protocol: Protocol,
    stages: Sequence[Stage],
    entries: Sequence[Entry],
    baseline: str,
    environment: dict[str, Any],
) -> None:
    """Write the rules into the records, or refuse if the records were made under other rules.

    Raises:
        RecordsMismatchError: If key, counts, versions, data or a user's file changed.
    """
    seeds = protocol.report_seed_numbers
    versions = {f"version_{n}": environment["versions"][n] for n in ("paramjax", "jax", "optax")}
    records.require(
        {**vars(protocol), **versions, "report_seeds": [seeds.start, seeds.stop]}
        | {"devices": environment["devices"]}
    )
    for stage in stages:
        records.add_workload(_workload_row(stage, protocol))
    for entry in entries:
        records.add_optimizer(entry.optimizer, entry.fingerprint)
    records.note({"baseline": baseline})


def train_all(
    records: Records,
    protocol: Protocol,
    stages: Sequence[Stage],
    entries: Sequence[Entry],
    on_progress: Callable[[Progress], None],
) -> list[Excluded]:
    """Train what the records do not hold yet, one population a core.

    A population inside a loop uses one core, so as many populations as there are cores
    run side by side, and one compiles while another trains. Every finished chunk is a
    transaction: an interrupt lets the chunks under way finish, and keeps them.

    Returns:
        The user's optimizers whose training raised; the others went on.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=cores()) as pool:
        futures = {
            pool.submit(_train, records, protocol, stage, c.optimizer, on_progress, stop): c
            for stage in stages
            for c in entries
        }
        try:
            return _wait(futures)
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _wait(futures: dict[Future[None], Entry]) -> list[Excluded]:
    """Wait for all; an error in a user's optimizer excludes it, any other is raised."""
    failed: dict[str, Excluded] = {}
    for future in as_completed(futures):
        entry = futures[future]
        error = future.exception()
        if error is None:
            continue
        if entry.file is None or isinstance(error, sqlite3.Error | DamagedError):
            raise error
        name = entry.optimizer.name
        failed[name] = Excluded(name, f"training raised {one_line(error)}")
    return list(failed.values())


def _train(
    records: Records,
    protocol: Protocol,
    stage: Stage,
    optimizer: Optimizer,
    on_progress: Callable[[Progress], None],
    stop: threading.Event,
) -> None:
    """One optimizer on one workload: tune, choose, report."""
    population = Population(
        make_trainer(stage.workload, optimizer, protocol),
        optimizer.space,
        stage.workload.problem(stage.splits),
        starts=stage.starts,
        seeds=protocol.all_seed_numbers,
        steps=protocol.steps,
        evaluations=protocol.evaluations,
    )
    workload, layout = stage.workload, Layout(protocol.width)

    def complete(phase: str, runs: Sequence[TrialRun], eval_data: PyTree) -> None:
        known = records.trainings(workload.name, optimizer.name, phase)
        done = {(training.trial, training.seed) for training in known}
        for chunk in population.chunks(runs, layout):
            if stop.is_set():
                raise StoppedError
            missing = not {(run.trial, run.seed) for run in chunk} <= done
            if missing:
                made = record_all(population.train(chunk, layout, eval_data))
                records.add(workload.name, optimizer.name, phase, workload.metric, made)
            on_progress(Progress(workload.name, optimizer.name, phase, len(chunk), missing))

    complete(TUNING, protocol.tuning_runs(optimizer), stage.splits.validation)
    tuning = records.trainings(workload.name, optimizer.name, TUNING)
    best = best_trial(tuning, maximise=workload.maximise)
    report = [best._replace(seed=seed) for seed in protocol.report_seed_numbers]
    complete(REPORT, report, stage.splits.test)


def _workload_row(stage: Stage, protocol: Protocol) -> WorkloadRow:
    """The workload with the test metric of its untrained parameters, seed by seed."""
    workload = stage.workload
    evaluate = jax.jit(jax.vmap(workload.evaluate, in_axes=(0, None)))
    untrained = np.asarray(evaluate(stage.starts.params, stage.splits.test)[workload.metric])
    initial = {seed: float(untrained[seed]) for seed in protocol.report_seed_numbers}
    return WorkloadRow(
        workload.name,
        workload.description,
        workload.metric,
        workload.maximise,
        initial,
        content_hash(f"{workload.metric} {workload.batch_size} {checksums('', stage.splits)}"),
    )
