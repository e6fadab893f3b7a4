"""The axis of runs over the devices of one machine or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from paramjax._arrays import numbers, partition_spec, place
from paramjax._checks import is_key
from paramjax._types import PyTree

AXIS = "runs"
"""Name of the only axis of the mesh."""


def mesh_of_runs(devices: Sequence[jax.Device] | None = None) -> Mesh | None:
    """A mesh of one axis over the devices; None for the default device alone."""
    chosen = list(jax.devices() if devices is None else devices)
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"devices: expected different devices, at least one, got {chosen}")
    if jax.process_count() > 1 and {d.process_index for d in chosen} != set(
        range(jax.process_count())
    ):
        raise ValueError("devices: expected devices of every process, or None for all of them")
    if chosen == jax.devices()[:1]:
        return None
    return Mesh(np.array(chosen), (AXIS,), axis_types=(jax.sharding.AxisType.Auto,))


def over_devices(function: Callable[..., Any], mesh: Mesh | None, split: Sequence[bool]) -> Any:
    """The function with each device computing its own runs; `split` says which inputs have runs."""
    if mesh is None:
        return function
    specs = tuple(map(_spec, split))
    return jax.shard_map(
        function, mesh=mesh, in_specs=specs, out_specs=_spec(split=True), check_vma=False
    )


def _spec(split: bool) -> PartitionSpec:
    return partition_spec(AXIS) if split else partition_spec()


def placed(tree: PyTree, mesh: Mesh | None, *, split: bool) -> PyTree:
    """Host arrays on the devices; each process passes the whole of them."""
    if mesh is None:
        return jax.device_put(tree)
    sharding = NamedSharding(mesh, _spec(split))
    return jax.tree.map(lambda leaf: place(leaf, sharding), tree)


def fetched(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """Arrays of the devices as host arrays; each process gets the whole of them."""
    several = mesh is not None and jax.process_count() > 1
    bare = jax.tree.map(numbers, tree)
    host = jax.tree.map(_gathered, bare) if several else jax.device_get(bare)

    def typed(leaf: Any, own: Any) -> Any:
        if not is_key(leaf):
            return own
        return jax.random.wrap_key_data(own, impl=jax.random.key_impl(leaf))

    return jax.tree.map(typed, tree, host)


def _gathered(leaf: Any) -> Any:
    """An array gathered from all processes; a host array stays as it is."""
    if isinstance(leaf, jax.Array):
        return multihost_utils.process_allgather(leaf, tiled=True)
    return leaf
