"""What is refused before a study is asked, so that it keeps no trials that nobody trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from paramjax._checks import describe, nearest, needs_extra
from paramjax._types import Key, PyTree
from paramjax.populations._layout import Layout
from paramjax.populations._population import Population
from paramjax.populations._structure_group import StructureGroup
from paramjax.populations._trial_run import TrialRun
from paramjax.populations.planning._memory import MemoryLimit, memory_limit
from paramjax.tuning._preflight import check_structures, check_trainers, unread
from paramjax.tuning.designs._random import random_design

_SAMPLE = 64
"""Trials among which a hyperparameter is read, or else it is refused."""


def check_study(study: Any, metrics: Any) -> list[str]:
    """Refuse what is no study, or metrics that are not those it is to be told.

    Args:
        study: What `optuna.create_study` returns.
        metrics: A name, or one for each direction of the study.

    Returns:
        Names, one for each direction.

    Raises:
        ModuleNotFoundError: If Optuna is missing.
        TypeError: If it is no study, or a metric no name.
        ValueError: If there are more or fewer metrics than directions, or several processes
            of one distributed program.
    """
    with needs_extra("tune"):
        import optuna

    if not isinstance(study, optuna.Study):
        raise TypeError(
            f"study: expected what optuna.create_study() returns, got {describe(study)}"
        )
    if jax.process_count() > 1:
        raise ValueError(
            "study: the processes of one jax.distributed program would each ask for trials of "
            "their own; start programs apart, which share the storage of the study"
        )
    names = [metrics] if isinstance(metrics, str) else metrics
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"metrics: expected a name or a list of names, got {describe(metrics)}")
    directions = [direction.name.lower() for direction in study.directions]
    if len(names) != len(directions):
        raise ValueError(
            f"metrics: expected one name for each direction of the study, {directions}, got "
            f"{list(names)}"
        )
    return list(names)


def check_resources(memory: MemoryLimit, layout: Layout | None) -> None:
    """Refuse what a plan would refuse later.

    Args:
        memory: Bytes that may be taken.
        layout: How runs are laid out.

    Raises:
        TypeError: If one of them is something else.
        ValueError: If memory is too little, or there is not as much.
    """
    memory_limit(memory)
    if layout is not None and not isinstance(layout, Layout):
        raise TypeError(f"layout: expected a Layout or None, got {describe(layout)}")


def check_search(
    population: Population, metrics: Sequence[str], eval_data: PyTree, key: Key
) -> None:
    """Refuse a trainer that cannot be traced, metrics it lacks, hyperparameters it never reads.

    Args:
        population: What is to be searched.
        metrics: What the study is to be told.
        eval_data: What `evaluate` is given.
        key: Names the trials that are traced.

    Raises:
        TypeError: See `check_structures`.
        ValueError: See `check_trainers`; and for an unknown metric.
    """
    drawn = random_design(population.space, _SAMPLE, key)
    runs = [TrialRun(trial, 0, hyperparameters) for trial, hyperparameters in enumerate(drawn)]
    cohorts = check_structures(population, runs[:1], eval_data)
    check_metrics(cohorts, metrics)
    for group in population.groups(runs):
        names = unread(population, cohorts, runs)
        if not names:
            return
        if any(name in group[0].hyperparameters for name in names):
            # what one structure does not read, another may
            cohorts += check_structures(population, group, eval_data)
    check_trainers(population, runs, eval_data)


def check_metrics(cohorts: Sequence[StructureGroup], metrics: Sequence[str]) -> None:
    """Refuse metrics that the records will not hold.

    Args:
        cohorts: The structures.
        metrics: Their names.

    Raises:
        ValueError: For an unknown one, with the nearest known ones.
    """
    for task in (structure_group.traced for structure_group in cohorts):
        measured = task.evaluate.out or task.step.out[1]
        known = [name for name, value in measured.items() if value.shape == ()]
        for name in metrics:
            if name not in known:
                raise ValueError(nearest(name, known, what="metric"))
