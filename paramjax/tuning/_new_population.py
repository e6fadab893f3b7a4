"""A population from what users give: functions, a problem, a key."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax

from paramjax._checks import check_count, describe
from paramjax._types import Hyperparameters, Key
from paramjax.populations._devices import mesh_of_runs
from paramjax.populations._population import MakeTrainer, Population
from paramjax.populations._problem import Problem, needs_structure
from paramjax.populations._starts import PendingStarts, pending_starts
from paramjax.space._distribution import Space


def new_population(
    make_trainer: MakeTrainer,
    space: Space,
    problem: Problem,
    *,
    seeds: int,
    steps: int,
    key: Key,
    evaluations: int = 1,
    rungs: Sequence[int] = (),
    devices: Sequence[jax.Device] | None = None,
) -> Population:
    """Check what users give, see `sweep`, and make a population of it; nothing is traced yet."""
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: expected a pj.Problem, got {describe(problem)}")
    problem.check()
    for name, count in (("seeds", seeds), ("steps", steps), ("evaluations", evaluations)):
        check_count(name, count)
    return Population(
        make_trainer, space, problem, starts=_starts(problem, key, seeds), seeds=range(seeds),
        steps=steps, evaluations=evaluations, rungs=rungs, mesh=mesh_of_runs(devices),
    )  # fmt: skip


def _starts(
    problem: Problem, key: Key, seeds: int
) -> PendingStarts | Callable[[Hyperparameters], PendingStarts]:
    """The starts of all seeds, for each structure if they depend on it."""
    init = problem.init
    if not needs_structure(init, 1):
        return pending_starts(init, key, range(seeds))
    return lambda fixed: pending_starts(lambda key: init(key, fixed), key, range(seeds))
