"""A population in which each fold of the data is trained on by seeds of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from paramjax._arrays import on_device
from paramjax._host_keys import fold_in_key, split_key
from paramjax._types import Hyperparameters, Key, PyTree
from paramjax.populations._devices import mesh_of_runs
from paramjax.populations._execution import Execution
from paramjax.populations._population import MakeTrainer, Population, SingleRun
from paramjax.populations._problem import Problem, needs_structure
from paramjax.populations._seed_rows import SeedRows
from paramjax.populations._starts import PendingStarts, pending_starts
from paramjax.populations._structure_group import StructureGroup
from paramjax.populations._trial_run import TrialRun
from paramjax.space._distribution import Space
from paramjax.tuning._folds import (
    check_held_out,
    check_rows_a_step,
    fold_groups,
    fold_of_each_row,
    held_out_steer,
)


class FoldPopulation(Population):
    """A population for each size of a fold, as one: the seed of a run names seed and fold.

    Seed `s * k + f` of this population is seed `s` of fold `f` of `k`.
    """

    def __init__(self, members: Sequence[Population], problem: Problem, fold: np.ndarray) -> None:
        first = members[0]
        self.space, self.steps, self.mesh = first.space, first.steps, first.mesh
        self.evaluation_steps, self.data, self.eval_data = first.evaluation_steps, first.data, None
        self.problem, self.fold, self.read = problem, fold, first.read
        self._members = {seed: member for member in members for seed in member.seeds}
        self.seeds = sorted(self._members)
        for member in members:
            member.read = self.read

    def groups(self, runs: Sequence[TrialRun]) -> list[list[TrialRun]]:
        """Group runs by structure and by the size of their fold."""
        sizes: dict[int, list[TrialRun]] = {}
        for run in runs:
            sizes.setdefault(id(self._members[run.seed]), []).append(run)
        return [group for own in sizes.values() for group in self._members[own[0].seed].groups(own)]

    def structure_group(self, run: TrialRun, eval_data: PyTree = None) -> StructureGroup:
        """The group of a run's structure and fold.

        Raises:
            ValueError: If its trainer waits for evaluations, or see `Population`.
        """
        group = self._members[run.seed].structure_group(run, eval_data)
        if group.traced.plateaus:
            raise held_out_steer()
        return group

    def traces(self, run: TrialRun, known: set[str]) -> bool:
        """Whether a run can be traced with the numbers of these names as plain ones."""
        return self._members[run.seed].traces(run, known)

    def single(self, seed: int, hyperparameters: dict[str, Any]) -> SingleRun:
        """The inputs of one run, to train it alone."""
        return self._members[seed].single(seed, hyperparameters)


def fold_population(
    make_trainer: MakeTrainer, space: Space, problem: Problem, folds: Any, stratify: Any, *,
    seeds: int, steps: int, key: Key, evaluations: int, rungs: Sequence[int],
    execution: Execution,
) -> FoldPopulation:  # fmt: skip
    """A population whose runs each leave out one fold, on which they are evaluated.

    The keys are those of `cross_validate` with the same key, whose fold `f` is seed 0 here.
    """
    rows = problem.check()
    check_held_out(problem)
    fold_key, start_key, order_key = split_key(key, 3)
    fold = fold_of_each_row(folds, rows, fold_key, stratify)
    count = int(fold.max()) + 1
    if isinstance(problem.batch_size, int):
        check_rows_a_step(problem.batch_size, rows - int(np.bincount(fold).max()))
    data = jax.tree.map(on_device, problem.data)
    members = []
    for group in fold_groups(fold):
        # seed by seed, so that every member has each seed of its folds
        numbers = [s * count + int(f) for s in range(seeds) for f in group.fold]
        own = dataclasses.replace(
            problem,
            data=SeedRows(data, on_device(np.tile(group.train, (seeds, 1)))),
            eval_data=SeedRows(data, on_device(np.tile(group.held_out, (seeds, 1)))),
        )
        members.append(
            Population(
                make_trainer, space, own, starts=_starts(problem, start_key, order_key, numbers),
                seeds=numbers, steps=steps, evaluations=evaluations, rungs=rungs,
                mesh=mesh_of_runs(execution.devices),
            )
        )  # fmt: skip
    return FoldPopulation(members, problem, fold)


def _starts(
    problem: Problem, start_key: Key, order_key: Key, numbers: Sequence[int]
) -> PendingStarts | Callable[[Hyperparameters], PendingStarts]:
    """The starts of all seeds of some folds, the order of batches from a key of its own."""
    init = problem.init

    def keyed(init: Callable[..., Any]) -> PendingStarts:
        own = fold_in_key(order_key, numbers)
        return pending_starts(init, start_key, numbers).with_data_key(own)

    if not needs_structure(init, 1):
        return keyed(init)
    return lambda fixed: keyed(lambda key: init(key, fixed))
