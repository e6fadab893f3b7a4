"""A trainer over several devices: rows of the batch split, parameters split, or both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from paramjax._checks import check_count, check_rows, is_key, leaf_name
from paramjax._types import Batch, Key, Metrics, ModelState, Params, PyTree
from paramjax.step._state import Trainer, TrainState

Axes = tuple[str, ...]


def shard(
    trainer: Trainer,
    mesh: Mesh,
    *,
    data_axis: str | Sequence[str] | None = "data",
    params_axis: str | Sequence[str] | None = None,
    min_size: int = 2**14,
) -> Trainer:
    """Run a trainer on the devices of a mesh; what it computes stays the same.

    The batch is split by rows over `data_axis`. Without `params_axis` each device holds the
    whole state, and XLA adds up the gradients: data parallelism. With it, each array of the
    state (parameters, optimizer state, averages) of at least `min_size` elements is split
    along the longest of its axes whose length the devices divide, the first of equals;
    smaller arrays, arrays that no axis of which divides, and keys are held whole. Where the
    two axes are one, this is stage 3 of Rajbhandari et al. (2020, section 5), known as fully
    sharded data parallelism; where they differ, the products themselves are divided, as in
    Xu et al. (2021). `data_axis=("replica", "shard"), params_axis="shard"` is in between.

    Only the placement of the state and of the batch is fixed here: XLA chooses the
    collectives, moves parameters or activations, whichever are smaller, and gathers
    parameters where they are used, layer by layer where layers are scanned. Sums over rows
    are taken in another order than on one device, so losses agree to rounding only; random
    numbers are the same.

    Every process of `jax.distributed` makes the same calls with the same arguments. `fit`
    takes the same host arrays in each of them. Its history is whole on each, and so are its
    parameters where `params_axis` is None, else
    `jax.experimental.multihost_utils.process_allgather(fit.params, tiled=True)` fetches them
    (on one process and on several). Only `fit` notices arrays that differ between processes.
    JAX itself refuses arrays that `jax.device_put` bound to other devices than the mesh's.

    Args:
        trainer: What a step is.
        mesh: The devices, such as `jax.make_mesh((8,), ("data",))`. XLA partitions the step
            along all of its axes, also along those that were made Explicit.
        data_axis: Axis of the mesh, or several, over which rows are split; None leaves the
            batch whole.
        params_axis: Axis of the mesh, or several, over which the state is split, or None.
        min_size: Elements from which an array is split, positive; 2**14 are 64 KiB of float32.

    Returns:
        A trainer with the same state and metrics, spread over the devices of the mesh. It
        works eagerly and under `jit` and `scan`. Metrics are held whole by every device.

    Raises:
        TypeError: If the trainer, the mesh, the name of an axis or `min_size` is none.
        ValueError: If the mesh has no such axis or no device of this process, neither axis is
            named, one is named twice, or `min_size` is out of range; at the first trace, if the
            leaves of a batch disagree in length or the devices do not divide it, or it happens
            under `jax.set_mesh` with axes that are not Auto.

    Example:
        >>> import optax
        >>> from paramjax import train_step
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> mesh = jax.make_mesh((jax.device_count(),), ("data",))
        >>> trainer = shard(train_step(loss_fn, optax.sgd(0.5)), mesh)
        >>> state = trainer.init(jax.random.key(0), jnp.zeros(()))
        >>> state, metrics = trainer.step(state, jnp.arange(8.0))
        >>> float(state.params), metrics["loss"].sharding.is_fully_replicated
        (3.5, True)
    """
    if not isinstance(trainer, Trainer):
        raise TypeError(
            f"trainer: expected one such as pj.train_step returns, got {type(trainer).__name__}"
        )
    mesh = _checked_mesh(mesh)
    rows_over = _checked_axes("data_axis", data_axis, mesh)
    state_over = _checked_axes("params_axis", params_axis, mesh)
    check_count("min_size", min_size)
    if not rows_over and not state_over:
        raise ValueError(
            "shard: data_axis and params_axis are both None, so there is nothing to split; name "
            f"one of the axes of the mesh, {', '.join(mesh.axis_names)}"
        )

    def placed(tree: PyTree) -> PyTree:
        _check_context()
        return jax.tree.map(lambda leaf: _on(mesh, leaf, split(leaf)), tree)

    def split(leaf: Any) -> PartitionSpec:
        return _partition(leaf, state_over, _devices(mesh, state_over), min_size)

    def whole(tree: PyTree) -> PyTree:
        return jax.tree.map(lambda leaf: _on(mesh, leaf, PartitionSpec()), tree)

    def by_rows(batch: Batch) -> Batch:
        if not rows_over:
            return whole(batch)
        _check_division(batch, _devices(mesh, rows_over), rows_over)
        return jax.tree.map(lambda leaf: _on(mesh, leaf, PartitionSpec(rows_over)), batch)

    def init(key: Key, params: Params, model_state: ModelState = ()) -> TrainState:
        return placed(trainer.init(key, params, model_state))

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        state, metrics = trainer.step(placed(state), by_rows(batch))
        return placed(state), whole(metrics)

    def eval_params(state: TrainState) -> Params:
        return placed(trainer.eval_params(placed(state)))

    return trainer._replace(init=init, step=step, eval_params=eval_params)


def _on(mesh: Mesh, leaf: Any, spec: PartitionSpec) -> Any:
    """The array, spread over the mesh: at once when called eagerly, when it runs under jit."""
    return jax.lax.with_sharding_constraint(leaf, NamedSharding(mesh, spec))


def _partition(leaf: Any, axes: Axes, devices: int, min_size: int) -> PartitionSpec:
    """Over which axes of the mesh each axis of an array is split."""
    shape = jnp.shape(leaf)
    even = [axis for axis, length in enumerate(shape) if length % devices == 0]
    if not axes or is_key(leaf) or not even or math.prod(shape) < min_size:
        return PartitionSpec()
    longest = max(even, key=lambda axis: shape[axis])
    return PartitionSpec(*[None] * longest, axes)


def _devices(mesh: Mesh, axes: Axes) -> int:
    """Over how many devices these axes spread."""
    return math.prod(mesh.shape[axis] for axis in axes)


def _checked_mesh(mesh: Any) -> Mesh:
    """The mesh with Auto axes: under Explicit ones every product must say its sharding."""
    if not isinstance(mesh, Mesh):
        raise TypeError(
            "mesh: expected a jax.sharding.Mesh such as jax.make_mesh((8,), ('data',)), got "
            f"{type(mesh).__name__}"
        )
    here = jax.process_index()
    if not any(device.process_index == here for device in mesh.devices.flat):
        raise ValueError(
            f"mesh: expected devices of every process, got none of process {here}; make it of "
            "jax.devices(), not of jax.local_devices()"
        )
    return Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,) * mesh.devices.ndim)


def _checked_axes(name: str, axes: Any, mesh: Mesh) -> Axes:
    """The names of axes as a tuple, each of which the mesh has."""
    axes = () if axes is None else (axes,) if isinstance(axes, str) else axes
    if not isinstance(axes, Sequence) or not all(isinstance(axis, str) for axis in axes):
        raise TypeError(f"{name}: expected the name of an axis of the mesh, got {axes!r}")
    for axis in axes:
        if axis not in mesh.shape:
            raise ValueError(
                f"{name}: the mesh has no axis {axis!r}, its axes are "
                f"{', '.join(map(repr, mesh.axis_names))}"
            )
    if len(set(axes)) < len(axes):
        raise ValueError(f"{name}: expected different axes, got {axes!r}")
    return tuple(axes)


def _check_context() -> None:
    """Refuse a surrounding mesh under which a placement is an assertion, not a request."""
    kinds = jax.sharding.get_abstract_mesh().axis_types
    if any(kind != AxisType.Auto for kind in kinds):
        raise ValueError(
            "shard: expected to run outside of jax.set_mesh and jax.shard_map, or under Auto axes, "
            f"got axes of types {', '.join(kind.name for kind in kinds)}; leave that mesh, shard "
            "was given its own"
        )


def _check_division(batch: Batch, devices: int, axes: Axes) -> None:
    """Refuse a batch whose rows cannot be dealt out evenly."""
    rows = check_rows("shard", batch)
    if rows % devices:
        path, _ = jax.tree_util.tree_leaves_with_path(batch)[0]
        named = f"{'axis' if len(axes) == 1 else 'axes'} {', '.join(map(repr, axes))}"
        raise ValueError(
            f"shard: leaf {leaf_name(path)} of the batch has {rows} rows, which the {devices} "
            f"devices of mesh {named} do not divide; take a batch of {rows // devices * devices} "
            f"rows or another multiple of {devices}"
        )
