"""What is refused before anything is compiled: names never read, structure that is traced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from paramjax._checks import nearest
from paramjax.populations._population import Population
from paramjax.populations._structure_group import StructureGroup
from paramjax.populations._trial_run import TrialRun
from paramjax.space._conditional import parents
from paramjax.space._tracing import is_structural, traced

_CONCRETE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


def check_trainers(population: Population, runs: Sequence[TrialRun]) -> list[StructureGroup]:
    """Trace every structure, and refuse what could only mislead."""
    groups = check_structures(population, runs)
    names = unread(population, groups, runs)
    if names:
        raise ValueError(
            f"space: nothing depends on {', '.join(map(repr, names))}; let make_trainer read "
            f"hyperparameters[{names[0]!r}], or take it out of the space"
        )
    return groups


def check_structures(population: Population, runs: Sequence[TrialRun]) -> list[StructureGroup]:
    """Trace every structure, and refuse one that depends on a traced value."""
    return [_traced(population, group) for group in population.groups(runs)]


def check_metrics(groups: Sequence[StructureGroup], metrics: Sequence[str]) -> None:
    """Refuse metrics that the records will not hold."""
    for task in (structure_group.traced for structure_group in groups):
        measured = task.evaluate.out or task.step.out[1]
        known = [name for name, value in measured.items() if value.shape == ()]
        for name in metrics:
            if name not in known:
                raise ValueError(nearest(name, known, what="metric"))


def unread(
    population: Population, groups: Sequence[StructureGroup], runs: Sequence[TrialRun]
) -> list[str]:
    """The hyperparameters of some runs that nothing depends on."""
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
    """Trace a structure; a trainer that cannot be is told which hyperparameter is why."""
    try:
        return population.structure_group(group[0])
    except _CONCRETE as error:
        names = _culprits(population, group[0])
        if not names:
            raise
        raise ValueError(
            f"make_trainer: its structure depends on the value of {', '.join(map(repr, names))}, "
            "which is traced; draw it with choice([...], static=True), or use jnp.where"
        ) from error


def _culprits(population: Population, run: TrialRun) -> list[str]:
    """The hyperparameters that must be known for the trainer to be traced; a few tries tell."""
    names = list(traced(population.space, [run.hyperparameters]))
    alone = [name for name in names if population.traces(run, {name})]
    if alone or not population.traces(run, set(names)):
        return alone
    return [n for n in names if not population.traces(run, {*names} - {n})]


def _live(structure_group: StructureGroup) -> set[str]:
    """Names of the traced hyperparameters that change anything a task returns."""
    task = structure_group.traced
    return set.union(*(_used(t) for t in (task.init, task.step, task.evaluate, task.eval_params)))


def _used(function: Any) -> set[str]:
    """The names, which come first among its inputs, in their order, that its results need."""
    jaxpr = function.jaxpr.jaxpr
    needed = {id(variable) for variable in jaxpr.outvars}
    for equation in reversed(jaxpr.eqns):
        if equation.effects or any(id(out) in needed for out in equation.outvars):
            needed |= {id(variable) for variable in equation.invars}
    names = function.names
    return {n for n, v in zip(names, jaxpr.invars, strict=False) if id(v) in needed}
