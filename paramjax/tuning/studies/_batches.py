"""Batches of trials trained by one population, whose programs are compiled once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paramjax.populations._execution import Execution
from paramjax.populations._population import Population
from paramjax.populations._trial_run import Record, TrialRun
from paramjax.populations.planning._choose import KEPT, make_plan
from paramjax.populations.planning._execution_plan import ExecutionPlan, same_structure
from paramjax.space._tracing import structure
from paramjax.tuning._preflight import check_metrics, check_structures
from paramjax.tuning._progress import PopulationProgress
from paramjax.tuning._result import Sweep
from paramjax.tuning._rounds import Score, train_rounds
from paramjax.tuning._stored import in_temporary_file
from paramjax.tuning.store._record_store import MemoryStore, RecordStore, Results


class Batches:
    """Trains batches of trials, and keeps their results.

    The layout of a structure is chosen for the batch in which it first occurs; later batches fill
    calls of that width.
    """

    def __init__(
        self, population: Population, metrics: Sequence[str], trials: int, execution: Execution
    ) -> None:
        self._population, self._metrics, self._trials = population, metrics, trials
        self._execution = execution
        self._plan: ExecutionPlan | None = None
        self._record_store: RecordStore = MemoryStore()
        self._runs: list[TrialRun] = []
        self._tried: list[dict[str, Any]] = []

    def train(
        self, batch: Mapping[int, dict[str, Any]], progress: PopulationProgress
    ) -> dict[int, list[Record]]:
        """Train a batch."""
        seeds = self._population.seeds
        runs = [TrialRun(trial, seed, hp) for trial, hp in batch.items() for seed in seeds]
        plan = self._planned(runs)
        for trial, hp in batch.items():
            # other processes number trials of the same study
            self._tried += [{}] * (trial + 1 - len(self._tried))
            self._tried[trial] = hp
        train_rounds(self._population, plan, self._record_store, runs, progress=progress)
        self._runs += runs
        known = self._record_store.summaries()
        return {trial: [known[trial, seed].record for seed in seeds] for trial in batch}

    def result(self) -> Sweep:
        """The trials of all batches."""
        assert self._plan is not None
        population = self._population
        choices = tuple(c._replace(runs=self._count(c.structure)) for c in self._plan.choices)
        evaluations = len(population.evaluation_steps)
        results = Results(self._record_store, self._runs, population.steps, evaluations)
        plan = self._plan._replace(choices=choices)
        problem = population.problem
        score = Score(problem.metric, problem.maximise)
        return Sweep(population.space, plan, [], results, population, score)

    def _planned(self, runs: Sequence[TrialRun]) -> ExecutionPlan:
        """The plan, extended by the structures that occur for the first time."""
        known = () if self._plan is None else self._plan.choices
        met = [choice.structure for choice in known]
        new = [r for r in runs if not any(same_structure(self._structure(r), own) for own in met)]
        if new:
            check_metrics(check_structures(self._population, new), self._metrics)
            plan = make_plan(
                self._population, new, memory=self._execution.memory,
                layout=lambda fixed: self._execution.layout,
            )  # fmt: skip
            self._plan = (
                self._begun(plan)
                if self._plan is None
                else self._plan._replace(choices=(*known, *plan.choices))
            )
        assert self._plan is not None
        return self._plan

    def _begun(self, plan: ExecutionPlan) -> ExecutionPlan:
        """The first plan; the results of all batches go to a file if they would fill the memory."""
        runs = self._trials * len(self._population.seeds)
        kept = runs * max(choice.result_bytes for choice in plan.choices)
        on_disk = plan.on_disk or kept > KEPT * max(0, plan.limit - plan.taken)
        if on_disk:
            self._record_store = in_temporary_file(self._population, self._tried)
        return plan._replace(on_disk=on_disk)

    def _structure(self, run: TrialRun) -> dict[str, Any]:
        return structure(self._population.space, run.hyperparameters)

    def _count(self, fixed: dict[str, Any]) -> int:
        return sum(same_structure(self._structure(run), fixed) for run in self._runs)
