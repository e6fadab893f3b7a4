"""Checks before a study is asked for trials, so that a bad argument leaves no orphaned trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from paramjax._checks import describe, needs_extra
from paramjax._types import Key
from paramjax.populations._population import Population
from paramjax.populations._problem import Problem
from paramjax.populations._trial_run import TrialRun
from paramjax.tuning._preflight import check_metrics, check_structures, check_trainers, unread
from paramjax.tuning.designs._random import random_design

_SAMPLE = 64
"""Trials among which a hyperparameter is read, or else it is refused."""


def check_study(study: Any, problem: Any, metrics: Any) -> list[str]:
    """Refuse what is no study, or metrics that are not those it is to be told."""
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
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: expected a pj.Problem, got {describe(problem)}")
    names = [problem.metric] if metrics is None else metrics
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"metrics: expected a list of names or None, got {describe(metrics)}")
    directions = [direction.name.lower() for direction in study.directions]
    if len(names) != len(directions):
        raise ValueError(
            f"metrics: expected one name for each direction of the study, {directions}, got "
            f"{list(names)}"
        )
    direction = "maximize" if problem.maximise else "minimize"
    if names == [problem.metric] and directions != [direction]:
        raise ValueError(
            f"study: expected the direction {direction}, as the problem's maximise="
            f"{problem.maximise} says of {problem.metric!r}, got {directions[0]}"
        )
    return list(names)


def check_search(population: Population, metrics: Sequence[str], key: Key) -> None:
    """Refuse a trainer that cannot be traced, metrics it lacks, hyperparameters it never reads."""
    drawn = random_design(_SAMPLE)(population.space, key)
    runs = [TrialRun(trial, 0, hyperparameters) for trial, hyperparameters in enumerate(drawn)]
    groups = check_structures(population, runs[:1])
    check_metrics(groups, metrics)
    for group in population.groups(runs):
        names = unread(population, groups, runs)
        if not names:
            return
        if any(name in group[0].hyperparameters for name in names):
            # what one structure does not read, another may
            groups += check_structures(population, group)
    check_trainers(population, runs)
