"""What a population takes of the memory: calls under way, results, records."""

from __future__ import annotations

from paramjax.populations._layout import Layout
from paramjax.populations._population import Population
from paramjax.populations._structure_group import StructureGroup
from paramjax.populations.planning._memory import nbytes

_WRITTEN = 4
"""How many times the results of a call are in memory while they are written."""

_RECORD, _NUMBER = 2048, 48
"""Bytes of a record without its numbers, and of a number with its index in a list."""


def calls_bytes(
    population: Population, structure_group: StructureGroup, layout: Layout, *, on_disk: bool
) -> int:
    """Bytes of the calls under way: their arrays, and results that are not put away yet.

    Of each worker one call is under way, and one may have ended. The results of one call are
    turned into rows of a file, where they go to a file: as they are, as bytes, and as SQLite's.
    """
    programs = structure_group.programs(layout.width)
    results = programs.runs * result_bytes(population, structure_group)
    waiting = 2 * layout.workers + (_WRITTEN if on_disk else 0)
    return layout.workers * programs.bytes_of_a_call() + waiting * results


def result_bytes(population: Population, structure_group: StructureGroup) -> int:
    """Bytes that the results of a run take: parameters, history, curve."""
    traced = structure_group.traced
    return (
        nbytes(traced.eval_params.out)
        + population.steps * nbytes(traced.step.out[1])
        + len(population.evaluation_steps) * nbytes(traced.evaluate.out)
    )


def record_bytes(population: Population, structure_group: StructureGroup) -> int:
    """Bytes that the record of a run takes, as objects of Python."""
    metrics = len(structure_group.traced.evaluate.out or structure_group.traced.step.out[1])
    return _RECORD + _NUMBER * (metrics + 2) * (len(population.evaluation_steps) + 1)
