"""Checks before anything is compiled, and the population of what passes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from paramjax._checks import check_count, describe, nearest
from paramjax._types import Hyperparameters, Key
from paramjax.optim._schedules import advice_for_traced
from paramjax.populations._devices import mesh_of_runs
from paramjax.populations._execution import Execution
from paramjax.populations._population import MakeTrainer, Population
from paramjax.populations._problem import Problem, needs_structure
from paramjax.populations._starts import PendingStarts, pending_starts
from paramjax.populations._structure_group import StructureGroup
from paramjax.populations._trial_run import TrialRun
from paramjax.space._conditional import parents
from paramjax.space._distribution import Space
from paramjax.space._tracing import is_structural, traced
from paramjax.tuning._folded import fold_population


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
    execution: Execution,
    folds: Any = None,
    stratify: Any = None,
) -> Population:
    """Check the arguments of `sweep` or `search`, and make their population; nothing is traced."""
    if not callable(make_trainer):
        raise TypeError(
            "make_trainer: expected a function (hyperparameters) -> trainer, got "
            f"{type(make_trainer).__name__}"
        )
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: expected a pj.Problem, got {describe(problem)}")
    if not isinstance(execution, Execution):
        raise TypeError(f"execution: expected a pj.Execution, got {describe(execution)}")
    problem.check()
    for name, count in (("seeds", seeds), ("steps", steps), ("evaluations", evaluations)):
        check_count(name, count)
    if folds is not None:
        return fold_population(
            make_trainer, space, problem, folds, stratify, seeds=seeds, steps=steps, key=key,
            evaluations=evaluations, rungs=rungs, execution=execution,
        )  # fmt: skip
    if stratify is not None:
        raise ValueError("stratify: expected folds to spread the labels over, got folds=None")
    return Population(
        make_trainer, space, problem, starts=_starts(problem, key, seeds), seeds=range(seeds),
        steps=steps, evaluations=evaluations, rungs=rungs, mesh=mesh_of_runs(execution.devices),
    )  # fmt: skip


def _starts(
    problem: Problem, key: Key, seeds: int
) -> PendingStarts | Callable[[Hyperparameters], PendingStarts]:
    """The starts of all seeds; a function of the structure if they depend on it."""
    init = problem.init
    if not needs_structure(init, 1):
        return pending_starts(init, key, range(seeds))
    return lambda fixed: pending_starts(lambda key: init(key, fixed), key, range(seeds))


_CONCRETE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


def check_trainers(population: Population, runs: Sequence[TrialRun]) -> list[StructureGroup]:
    """Trace every structure; raise if nothing depends on a hyperparameter."""
    groups = check_structures(population, runs)
    names = unread(population, groups, runs)
    if names:
        raise ValueError(
            f"space: nothing depends on {', '.join(map(repr, names))}; let make_trainer read "
            f"hyperparameters[{names[0]!r}], or take it out of the space"
        )
    return groups


def check_structures(population: Population, runs: Sequence[TrialRun]) -> list[StructureGroup]:
    """Trace every structure; raise if a structure depends on a traced value."""
    return [_traced(population, group) for group in population.groups(runs)]


def check_metrics(groups: Sequence[StructureGroup], metrics: Sequence[str]) -> None:
    """Raise unless the records of every structure will hold the metrics."""
    for group in groups:
        measured = group.traced.evaluate.out or group.traced.step.out[1]
        known = [name for name, value in measured.items() if value.shape == ()]
        for name in metrics:
            if name not in known:
                raise ValueError(nearest(name, known, what="metric"))


def unread(
    population: Population, groups: Sequence[StructureGroup], runs: Sequence[TrialRun]
) -> list[str]:
    """Names of the hyperparameters of these runs that nothing depends on."""
    space = population.space
    live = set.union(*map(_live, groups))
    return [
        name
        for name in space
        if name not in (population.read if is_structural(space, name) else live)
        and name not in parents(space)
        and any(name in run.hyperparameters for run in runs)
    ]


def _traced(population: Population, group: Sequence[TrialRun]) -> StructureGroup:
    """Trace a structure; if that fails, raise with the hyperparameters that must be static."""
    try:
        return population.structure_group(group[0])
    except _CONCRETE as error:
        names = _culprits(population, group[0])
        if not names:
            raise
        raise ValueError(
            f"make_trainer: its structure depends on the value of {', '.join(map(repr, names))}, "
            f"which is traced; {advice_for_traced(error)}"
        ) from error


def _culprits(population: Population, run: TrialRun) -> list[str]:
    """The hyperparameters that must be plain numbers for the trainer to be traced, by trying."""
    names = list(traced(population.space, [run.hyperparameters]))
    alone = [name for name in names if population.traces(run, {name})]
    if alone or not population.traces(run, set(names)):
        return alone
    return [n for n in names if not population.traces(run, {*names} - {n})]


def _live(structure_group: StructureGroup) -> set[str]:
    """Names of the traced hyperparameters on which a result of the trainer depends."""
    traced = structure_group.traced
    functions = (traced.init, traced.step, traced.evaluate, traced.kept)
    return set.union(*map(_used, functions))


def _used(function: Any) -> set[str]:
    """Names of the hyperparameters, its first inputs, that a traced function needs."""
    jaxpr = function.jaxpr.jaxpr
    needed = {id(variable) for variable in jaxpr.outvars}
    for equation in reversed(jaxpr.eqns):
        if equation.effects or any(id(out) in needed for out in equation.outvars):
            needed |= {id(variable) for variable in equation.invars}
    names = function.names
    return {n for n, v in zip(names, jaxpr.invars, strict=False) if id(v) in needed}
