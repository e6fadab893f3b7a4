"""What a population takes of the memory: calls under way, results, records."""

from __future__ import annotations

from paramjax.sweep.engine import Cohort, Layout, Population
from paramjax.sweep.plan.memory import nbytes

_WRITTEN = 4
"""How many times the results of a call are in memory while they are written."""

_RECORD, _NUMBER = 2048, 48
"""Bytes of a record without its numbers, and of a number with its place in a list."""


def calls_bytes(population: Population, cohort: Cohort, layout: Layout, *, on_disk: bool) -> int:
    """Bytes of the calls under way: their arrays, and results that are not put away yet.

    Of each worker one call is under way, and one may have ended. The results of one call are
    turned into rows of a file, where they go to a file: as they are, as bytes, and as SQLite's.

    Args:
        population: Trains them.
        cohort: Runs of one structure; the programs of the layout are compiled.
        layout: How they are laid out.
        on_disk: Whether results go to a file.
    """
    programs = cohort.programs(layout.width)
    results = programs.runs * result_bytes(population, cohort)
    waiting = 2 * layout.workers + (_WRITTEN if on_disk else 0)
    return layout.workers * programs.bytes_of_a_call() + waiting * results


def result_bytes(population: Population, cohort: Cohort) -> int:
    """Bytes that the results of a run take: parameters, history, curve.

    Args:
        population: Trains it.
        cohort: Runs of one structure.
    """
    task = cohort.task
    return (
        nbytes(task.eval_params.out)
        + population.steps * nbytes(task.step.out[1])
        + len(population.points) * nbytes(task.evaluate.out)
    )


def record_bytes(population: Population, cohort: Cohort) -> int:
    """Bytes that the record of a run takes, as objects of Python.

    Args:
        population: Trains it.
        cohort: Runs of one structure.
    """
    metrics = len(cohort.task.evaluate.out or cohort.task.step.out[1])
    return _RECORD + _NUMBER * (metrics + 2) * (len(population.points) + 1)
