"""Choose how a population is executed: guess, compile, try, and fit it into memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax

from paramjax._arrays import nbytes
from paramjax._format import byte_size
from paramjax._threads import workers
from paramjax.populations._execution import Layout
from paramjax.populations._population import Population
from paramjax.populations._structure_group import StructureGroup
from paramjax.populations._trial_run import TrialRun
from paramjax.populations.planning._execution_plan import Candidate, ExecutionPlan, GroupPlan
from paramjax.populations.planning._guess import cores, layouts
from paramjax.populations.planning._measure import (
    calls_bytes,
    record_bytes,
    result_bytes,
    seconds_a_step,
)
from paramjax.populations.planning._memory import (
    MemoryLimit,
    memory_in_use,
    memory_limit,
)
from paramjax.space._tracing import structure

BUDGET = 0.05
"""Share of the expected training time that may be spent on trying other layouts."""

KEPT = 0.25
"""Share of the free memory that results may fill before they go to a file."""


class _Room(NamedTuple):
    """Bytes that are free for calls, and whether their results are written to a file."""

    free: int
    on_disk: bool


class _Group(NamedTuple):
    """The runs of one structure, and their candidate layouts, the preferred one first."""

    runs: Sequence[TrialRun]
    structure_group: StructureGroup
    layouts: list[Layout]
    asked: Layout | None


def make_plan(
    population: Population,
    runs: Sequence[TrialRun],
    *,
    memory: MemoryLimit = "auto",
    layout: Callable[[dict[str, Any]], Layout | None] = lambda fixed: None,
    on_disk: bool = False,
    noted: bool = False,
) -> ExecutionPlan:
    """Choose how runs are laid out.

    For each structure the layout that is expected to be fastest is compiled (structures side by
    side) and tried. Others are compiled and tried too, as long as all trials together take at
    most a twentieth of the expected training time.

    Args:
        population: The population that trains the runs.
        runs: All runs.
        memory: Most bytes that the process (or the accelerator) may use; "auto" for most of what
            is free.
        layout: `(structure) -> layout`; None chooses one.
        on_disk: Whether results are kept in a file, however small they are.
        noted: Whether `layout` returns what a store noted before.

    Returns:
        The plan, with the time of each layout that was tried.

    Raises:
        TypeError: If `memory` is neither "auto" nor a whole number.
        ValueError: If `memory` does not suffice for a single run, or is more than there is.
    """
    limit = memory_limit(memory)
    groups = [_group(population, own, layout) for own in population.groups(runs)]
    with workers(cores()) as pool:
        compiled = pool.map(lambda group: _compile(group, group.layouts[0]), groups)
        for group in groups:
            # while others compile, in the thread under whose settings it was traced
            group.structure_group.prepare()
        list(compiled)
    taken = memory_in_use()
    kept = sum(
        len(group.runs) * result_bytes(population, group.structure_group) for group in groups
    )
    on_disk = on_disk or kept > KEPT * max(0, limit - taken)
    records = sum(
        len(group.runs) * record_bytes(population, group.structure_group) for group in groups
    )
    room = _Room(limit - taken - records - (0 if on_disk else kept), on_disk)
    choices = tuple(_choose(population, group, room, noted) for group in groups)
    plan = ExecutionPlan(choices, population.steps, limit, taken, records, on_disk)
    # the programs of layouts that were tried stay in memory
    return plan._replace(taken=max(taken, memory_in_use()))


def _group(
    population: Population, runs: Sequence[TrialRun],
    layout: Callable[[dict[str, Any]], Layout | None],
) -> _Group:  # fmt: skip
    structure_group = population.structure_group(runs[0])
    asked = layout(structure(population.space, runs[0].hyperparameters))
    if asked is not None and structure_group.devices > 1:
        # calls over a mesh run one after the other, in the same order on every process
        asked = replace(asked, workers=1)
    found = layouts(structure_group, len(runs)) if asked is None else [asked]
    return _Group(runs, structure_group, found, asked)


def _compile(group: _Group, layout: Layout) -> None:
    group.structure_group.compile(group.runs[0], layout)


def _choose(population: Population, group: _Group, room: _Room, noted: bool) -> GroupPlan:
    """The layout of one structure."""
    first = _fitted(population, group, group.layouts[0], room)
    tried: list[Candidate] = []
    why = "as noted in the store" if noted else "as asked"
    if group.asked is None and jax.process_count() > 1:
        why = "expected to be fastest; not tried, so that all processes choose alike"
    elif group.asked is None:
        tried, why = _try(population, group, first, room)
    best = min(tried, key=lambda candidate: candidate.seconds or 0.0).layout if tried else first
    programs = group.structure_group.programs(best.width)
    return GroupPlan(
        structure(population.space, group.runs[0].hyperparameters),
        len(group.runs),
        best,
        why,
        tuple(tried),
        calls_bytes(population, group.structure_group, best, on_disk=room.on_disk),
        result_bytes(population, group.structure_group),
        programs.compile_seconds,
    )


def _try(
    population: Population, group: _Group, first: Layout, room: _Room
) -> tuple[list[Candidate], str]:
    """Try the preferred layout, and others while the budget lasts."""
    most = min(population.steps, group.structure_group.programs(first.width).capacity)
    start = time.perf_counter()

    def tried(layout: Layout) -> Candidate:
        return Candidate(layout, seconds_a_step(group.structure_group, group.runs, layout, most))

    found = [tried(first)]
    spent = time.perf_counter() - start
    for layout in group.layouts[1:]:
        expected = len(group.runs) * population.steps * min(c.seconds or 0.0 for c in found)
        # another layout may not be in the cache
        compiling = group.structure_group.programs(first.width).uncached_seconds
        if spent + compiling + spent / len(found) > BUDGET * expected:
            return found, (
                "the fastest of those tried"
                if len(found) > 1
                else f"expected to be fastest; trying others would take more than "
                f"{BUDGET:.0%} of the time"
            )
        if _fits(population, group, layout, room):
            fitted = _fitted(population, group, layout, room)
            found.append(tried(fitted))
        spent = time.perf_counter() - start
    return found, "the fastest of those tried"


def _fitted(population: Population, group: _Group, layout: Layout, room: _Room) -> Layout:
    """The layout, or a narrower one with fewer workers that fits into memory."""
    while True:
        _compile(group, layout)
        needed = calls_bytes(population, group.structure_group, layout, on_disk=room.on_disk)
        if needed <= room.free:
            return layout
        if layout.width > 1:
            share = min(0.5, room.free / needed)
            layout = replace(layout, width=max(1, int(layout.width * share)))
        elif layout.workers > 1:
            layout = replace(layout, workers=layout.workers - 1)
        else:
            left = byte_size(max(0, room.free))
            raise ValueError(
                f"memory: a single run takes {byte_size(needed)}, and {left} are left of the "
                "limit; allow more, or take a smaller batch"
            )


def _fits(population: Population, group: _Group, layout: Layout, room: _Room) -> bool:
    """Whether a layout may fit, estimated from the states of its runs before it is compiled."""
    states = layout.width * layout.workers * nbytes(group.structure_group.traced.init.out)
    return 2 * states <= room.free
