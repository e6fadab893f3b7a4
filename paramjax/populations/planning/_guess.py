"""Which layouts come into question, the one to be expected fastest first."""

from __future__ import annotations

import math
import os

import jax

from paramjax.populations._layout import Layout
from paramjax.populations._structure_group import StructureGroup
from paramjax.populations.planning._memory import nbytes
from paramjax.populations.planning._work import operations

SINGLE = 200_000
"""Operations of a step from which on a single run keeps a core of a CPU busy."""

_CACHE = 2**21
"""Bytes of states that a mapped call on a CPU may go through at each step."""

_MAPPED = (16, 1024)
"""Runs of a mapped call on a CPU, least and most."""


def cores() -> int:
    """The cores this process may use, which a container can make fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def layouts(structure_group: StructureGroup, count: int) -> list[Layout]:
    """Layouts of some runs, the one to be expected fastest first.

    On a CPU, runs of some size go side by side and small ones are mapped; on an accelerator
    all are mapped.
    """
    share = math.ceil(count / structure_group.devices)
    if _platform(structure_group) != "cpu":
        found = [Layout(share), Layout(1), Layout(share, stepwise=True), Layout(1, stepwise=True)]
    else:
        found = _on_cpu(structure_group, share)
    return list(dict.fromkeys(found))


def _on_cpu(structure_group: StructureGroup, share: int) -> list[Layout]:
    # devices that are simulated have a thread each
    beside = min(cores() if structure_group.devices == 1 else 1, share)
    width = cached_width(structure_group)
    single = Layout(1, workers=beside)
    mapped = Layout(even_width(share, width, beside), workers=beside)
    small = operations(structure_group.traced.step.jaxpr) < SINGLE
    first = [mapped, single] if small else [single, mapped]
    stepwise = [Layout(1, stepwise=True), Layout(mapped.width, stepwise=True)]
    return [*first, *stepwise, Layout(1), Layout(even_width(share, width, 1))]


def cached_width(structure_group: StructureGroup) -> int:
    """Runs that a mapped call on a CPU may have, so that their states stay in its cache."""
    least, most = _MAPPED
    return max(least, min(most, _CACHE // max(1, nbytes(structure_group.traced.init.out))))


def even_width(count: int, most: int, beside: int) -> int:
    """The width of calls that are equally full, and of which none waits for another."""
    calls = math.ceil(math.ceil(count / most) / beside) * beside
    return math.ceil(count / calls)


def _platform(structure_group: StructureGroup) -> str:
    return (
        jax.devices()[0].platform
        if structure_group.mesh is None
        else structure_group.mesh.devices[0].platform
    )
