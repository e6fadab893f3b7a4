"""Which layouts are candidates, and which is expected to be fastest, before any is tried."""

from __future__ import annotations

import math
import os
from typing import Any

import jax

from paramjax._arrays import nbytes
from paramjax.populations._execution import Layout
from paramjax.populations._structure_group import StructureGroup

SINGLE = 200_000
"""Operations a step from which on a single run keeps a core of a CPU busy."""

_CACHE = 2**21
"""Bytes of state that a mapped call on a CPU may read at each step and stay in the cache."""

_MAPPED = (16, 1024)
"""Runs of a mapped call on a CPU, least and most."""


def cores() -> int:
    """The cores this process may use, which a container can make fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def layouts(structure_group: StructureGroup, count: int) -> list[Layout]:
    """Layouts of some runs, the one expected to be fastest first.

    On a CPU large runs go side by side and small ones are mapped; on an accelerator all are
    mapped.
    """
    share = math.ceil(count / structure_group.devices)
    if _platform(structure_group) != "cpu":
        found = [Layout(share), Layout(1), Layout(share, stepwise=True), Layout(1, stepwise=True)]
    else:
        found = _on_cpu(structure_group, share)
    return list(dict.fromkeys(found))


def _on_cpu(structure_group: StructureGroup, share: int) -> list[Layout]:
    # each simulated device has a thread of its own
    workers = min(cores() if structure_group.devices == 1 else 1, share)
    width = cached_width(structure_group)
    single = Layout(1, workers=workers)
    mapped = Layout(even_width(share, width, workers), workers=workers)
    small = operations(structure_group.traced.step.jaxpr) < SINGLE
    first = [mapped, single] if small else [single, mapped]
    stepwise = [Layout(1, stepwise=True), Layout(mapped.width, stepwise=True)]
    return [*first, *stepwise, Layout(1), Layout(even_width(share, width, 1))]


def cached_width(structure_group: StructureGroup) -> int:
    """Runs of a mapped call on a CPU whose states stay in its cache."""
    least, most = _MAPPED
    return max(least, min(most, _CACHE // max(1, nbytes(structure_group.traced.init.out))))


def even_width(count: int, most: int, workers: int) -> int:
    """The width of equally full calls, as many on every worker."""
    calls = math.ceil(math.ceil(count / most) / workers) * workers
    return math.ceil(count / calls)


def _platform(structure_group: StructureGroup) -> str:
    mesh = structure_group.mesh
    device: jax.Device = jax.devices()[0] if mesh is None else mesh.devices[0]
    return str(device.platform)


def operations(jaxpr: Any) -> float:
    """Floating-point operations of a jaxpr, roughly: products exactly, others one an element."""
    return sum(_of(equation) for equation in getattr(jaxpr, "jaxpr", jaxpr).eqns)


def _of(equation: Any) -> float:
    name, inner = equation.primitive.name, _inner(equation)
    if name == "cond":
        return max(map(operations, inner))
    if inner:
        return float(equation.params.get("length", 1) * sum(map(operations, inner)))
    elements = sum(math.prod(out.aval.shape) for out in equation.outvars)
    summed = 0.5  # an operation an element, where nothing is summed over
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        summed = math.prod(equation.invars[0].aval.shape[i] for i in contracted)
    elif name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        summed = math.prod(kernel) / kernel[equation.params["dimension_numbers"].rhs_spec[0]]
    elif name in ("convolution", "correlation"):
        # of paramjax.models, by [runs, *kernel sides, channels, features] and by the output's
        # gradient, [runs, batch, *indices, features]: all but the last axis is summed over
        summed = math.prod(equation.invars[1].aval.shape[1:-1])
    return float(2.0 * elements * summed)


def _inner(equation: Any) -> list[Any]:
    """The jaxprs that an equation holds."""
    held = jax.tree.leaves(
        list(equation.params.values()), is_leaf=lambda leaf: hasattr(leaf, "eqns")
    )
    return [value for value in held if hasattr(value, "eqns")]
