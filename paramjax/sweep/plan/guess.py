"""Which layouts come into question, the one to be expected fastest first."""

from __future__ import annotations

import math
import os

import jax

from paramjax.sweep.engine import Cohort, Layout
from paramjax.sweep.plan.memory import nbytes
from paramjax.sweep.plan.work import operations

LONE = 200_000
"""Operations of a step from which on a lone run keeps a core of a CPU busy."""

_CACHE = 2**21
"""Bytes of states that a mapped call on a CPU may go through at each step."""

_MAPPED = (16, 1024)
"""Runs of a mapped call on a CPU, least and most."""


def cores() -> int:
    """The cores this process may use, which a container can make fewer than there are.

    Example:
        >>> cores() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def layouts(cohort: Cohort, count: int) -> list[Layout]:
    """Layouts of some runs, the one to be expected fastest first.

    On a CPU, runs of some size go side by side and small ones are mapped; on an accelerator
    all are mapped.

    Args:
        cohort: The runs' structure.
        count: How many there are.

    Returns:
        Different layouts.
    """
    share = math.ceil(count / cohort.devices)
    if _platform(cohort) != "cpu":
        found = [Layout(share), Layout(1), Layout(share, stepwise=True), Layout(1, stepwise=True)]
    else:
        found = _on_cpu(cohort, share)
    return list(dict.fromkeys(found))


def _on_cpu(cohort: Cohort, share: int) -> list[Layout]:
    # devices that are simulated have a thread each
    beside = min(cores() if cohort.devices == 1 else 1, share)
    width = cached_width(cohort)
    lone = Layout(1, workers=beside)
    mapped = Layout(even_width(share, width, beside), workers=beside)
    small = operations(cohort.task.step.jaxpr) < LONE
    first = [mapped, lone] if small else [lone, mapped]
    stepwise = [Layout(1, stepwise=True), Layout(mapped.width, stepwise=True)]
    return [*first, *stepwise, Layout(1), Layout(even_width(share, width, 1))]


def cached_width(cohort: Cohort) -> int:
    """Runs that a mapped call on a CPU may have, so that their states stay in its cache."""
    least, most = _MAPPED
    return max(least, min(most, _CACHE // max(1, nbytes(cohort.task.init.out))))


def even_width(count: int, most: int, beside: int) -> int:
    """The width of calls that are equally full, and of which none waits for another.

    Args:
        count: Runs in all.
        most: Runs of a call at most.
        beside: Calls side by side.

    Example:
        >>> even_width(192, 128, 2), even_width(5, 128, 2), even_width(300, 128, 1)
        (96, 3, 100)
    """
    calls = math.ceil(math.ceil(count / most) / beside) * beside
    return math.ceil(count / calls)


def _platform(cohort: Cohort) -> str:
    return jax.devices()[0].platform if cohort.mesh is None else cohort.mesh.devices[0].platform
