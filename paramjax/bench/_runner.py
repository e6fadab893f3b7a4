"""Training: the replicates of every optimizer on every workload, into their stores."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import jax

from paramjax._hashes import content_hash
from paramjax._threads import workers
from paramjax.bench._replicates import best_trial, trainings_of
from paramjax.bench._results import Training
from paramjax.bench._seals import forget_records
from paramjax.bench._stage import Stage, Window
from paramjax.bench._stored import add_chunk, open_store, store_path
from paramjax.bench.entries import (
    Audit,
    Entry,
    Excluded,
    RefusedError,
    audit,
    describe_space,
    make_trainer,
    one_line,
)
from paramjax.populations import Layout, Population, TrialRun
from paramjax.populations._seed_rows import SeedRows
from paramjax.populations.planning._guess import SINGLE, cores, operations
from paramjax.space._options import option_texts
from paramjax.tuning import DamagedError, latin_design
from paramjax.tuning._preflight import check_metrics, check_structures, unread
from paramjax.tuning.store._store import Store

COMPILING, TUNING, REPORT = "compiling", "tuning", "report"


class Progress(NamedTuple):
    """What one optimizer on one workload has just done.

    Attributes:
        workload: Name of the workload.
        optimizer: Name of the optimizer.
        phase: `compiling`, `tuning` or `report`.
        trainings: Trainings that were found or made since the last call.
        trained: False if an earlier call had made them.
    """

    workload: str
    optimizer: str
    phase: str
    trainings: int = 0
    trained: bool = True


class StoppedError(Exception):
    """Training ended early because the user asked for it."""


class Contestant:
    """One optimizer on one workload: what is stored of it, and the programs that train more."""

    _audit: Audit

    def __init__(
        self, stage: Stage, entry: Entry, out: Path, rules: Mapping[str, Any],
        about: Mapping[str, Any], on_progress: Callable[[Progress], None], stop: threading.Event,
    ) -> None:  # fmt: skip
        self.stage, self.entry = stage, entry
        self.names = (stage.workload.name, entry.optimizer.name)
        self._out, self._rules, self._about = out, rules, about
        self._on_progress, self.stop = on_progress, stop
        self._trials = trials_of(stage, entry)
        self._store: Store | None = None
        self.notices: list[str] = []

    def train(self, replicates: int) -> None:
        """Train what the store does not hold of the first replicates, and keep each chunk."""
        protocol = self.stage.protocol
        for window in self.stage.windows:
            numbers = range(window.replicates.start, min(window.replicates.stop, replicates))
            if not numbers:
                break
            self._on_progress(Progress(*self.names, COMPILING))
            population = self._population(window)
            store = self._opened(population, replicates)
            tuning = self._runs(numbers, protocol.trial_numbers, protocol.tuning_seed_numbers)
            self._complete(TUNING, tuning, store, population, None)
            known = trainings_of(store.summaries(), self.stage.workload.metric)
            chosen = {k: [self._chosen(known, k)] for k in numbers}
            report = self._runs(numbers, chosen.__getitem__, protocol.report_seed_numbers)
            self._complete(REPORT, report, store, population, window.test_data)

    @property
    def stores(self) -> dict[Path, Store]:
        """The file of the store, once it is open, and the store."""
        return {} if self._store is None else {store_path(self._out, *self.names): self._store}

    def _forget(self, trainings: int) -> None:
        """Before the trainings of another program are deleted."""
        workload, optimizer = self.names
        forget_records(self._out, store_path(self._out, *self.names))
        if trainings:
            self.notices.append(
                f"{optimizer} computes something else on {workload} than its {trainings} recorded "
                "trainings, or draws other trials: they were deleted and made anew"
            )

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()

    def _population(self, window: Window) -> Population:
        own, protocol = self.stage.workload, self.stage.protocol
        make = make_trainer(own, self.entry.optimizer, protocol.clip_norm)
        return Population(
            make, self.entry.optimizer.space, window.problem, starts=window.starts,
            seeds=window.seeds, steps=protocol.steps, evaluations=protocol.evaluations,
            orders=window.orders,
        )  # fmt: skip

    def _opened(self, population: Population, replicates: int) -> Store:
        """The store, opened after the first trace; notes what a reader must know."""
        optimizer, protocol = self.entry.optimizer, self.stage.protocol
        if self._store is None:
            first = [TrialRun(t, 0, hp) for t, hp in enumerate(self._trials[: protocol.trials])]
            groups = check_structures(population, first)
            unused = unread(population, groups, first)
            if unused:
                raise RefusedError(
                    f"nothing depends on {', '.join(map(repr, unused))}; let its factory use it, "
                    "or take it out of its space"
                )
            check_metrics(groups, [self.stage.workload.metric])
            self._audit = audit(
                self.stage.workload, self.entry, protocol.clip_norm, params=self.stage.params,
                batch=self.stage.first_batch(), trained=[group.traced for group in groups],
            )  # fmt: skip
            path = store_path(self._out, *self.names)
            drawn = [option_texts(run.hyperparameters) for run in first]
            program = content_hash(f"{self._audit.program} {drawn}")[:16]
            self._store = open_store(
                path, self._trials, self._rules, program, before_deleting=self._forget
            )
        used = [option_texts(hp) for hp in self._trials[: replicates * protocol.trials]]
        known = self._store.notes().get("trials", [])
        self._store.note(
            {
                "workload": dict(self._about),
                "names": list(self.names),
                "source": optimizer.source,
                "space": describe_space(optimizer),
                "schedule": optimizer.schedule,
                "audit": self._audit._asdict(),
                "replicates": replicates,
                "trials": [*used, *known[len(used) :]],  # an earlier call may have made more
            }
        )
        return self._store

    def _runs(
        self, numbers: range, trials: Callable[[int], Iterable[int]],
        seeds: Callable[[int], Iterable[int]],
    ) -> list[TrialRun]:  # fmt: skip
        """The runs of some replicates."""
        return [
            TrialRun(trial, seed, self._trials[trial])
            for k in numbers
            for trial in trials(k)
            for seed in seeds(k)
        ]

    def _complete(
        self, phase: str, runs: Sequence[TrialRun], store: Store, population: Population,
        eval_data: SeedRows | None,
    ) -> None:  # fmt: skip
        """Train the runs of a phase that the store does not hold."""
        done = store.reached()
        missing = [run for run in runs if (run.trial, run.seed) not in done]
        if len(missing) < len(runs):
            found = len(runs) - len(missing)
            self._on_progress(Progress(*self.names, phase, found, trained=False))
        for group in population.groups(missing):
            layout = layout_of(population, group[0], self.stage)
            for chunk in population.chunks(group, layout):
                if self.stop.is_set():
                    raise StoppedError
                made = population.train(chunk, layout, eval_data)
                add_chunk(store, made, self.stage.protocol.steps)
                self._on_progress(Progress(*self.names, phase, len(chunk)))

    def _chosen(self, known: Mapping[tuple[int, int], Training], replicate: int) -> int:
        protocol = self.stage.protocol
        seeds = protocol.tuning_seed_numbers(replicate)
        tuning = [known[t, s] for t in protocol.trial_numbers(replicate) for s in seeds]
        return best_trial(tuning, maximise=self.stage.workload.maximise)


def trials_of(stage: Stage, entry: Entry) -> list[dict[str, Any]]:
    """The trials of all replicates; hyperparameters of one name have the same points everywhere."""
    design, key = latin_design(stage.protocol.trials), stage.protocol.keyed("trials")
    return [
        trial
        for k in range(stage.replicates)
        for trial in design(entry.optimizer.space, jax.random.fold_in(key, k))
    ]


def layout_of(population: Population, run: TrialRun, stage: Stage) -> Layout:
    """How the runs of a structure are laid out: by its size alone, so that bits do not depend on
    how many replicates there are or which of them were stored before."""
    one = stage.protocol.trials * stage.protocol.tuning_seeds
    if jax.default_backend() != "cpu":
        return Layout(16 * one)
    step = population.structure_group(run).traced.step.jaxpr
    return Layout(1) if operations(step) >= SINGLE else Layout(2 * one)


def train_all(contestants: Sequence[Contestant], replicates: int) -> list[Excluded]:
    """Train contestants side by side, one on each core, to a number of replicates.

    A run inside a loop uses one core, so as many contestants as there are cores train side by
    side, and one compiles while another trains. An interrupt lets the chunks under way finish,
    and keeps them.

    Returns:
        The optimizers that cannot take part, or whose training raised; the others went on.
    """
    with workers(cores()) as pool:
        futures = {pool.submit(one.train, replicates): one for one in contestants}
        try:
            return _wait(futures)
        except BaseException:
            for one in contestants:
                one.stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _wait(futures: dict[Future[None], Contestant]) -> list[Excluded]:
    """Wait for all; an error of an optimizer excludes it, one of the stores is raised."""
    failed: dict[str, Excluded] = {}
    for future in as_completed(futures):
        (workload, name), error = futures[future].names, future.exception()
        if isinstance(error, RefusedError):
            failed[name] = Excluded(name, f"on {workload}: {error}")
        elif isinstance(error, sqlite3.Error | OSError | DamagedError | StoppedError):
            raise error
        elif error is not None:
            failed[name] = Excluded(name, f"on {workload}: training raised {one_line(error)}")
    return list(failed.values())
