"""A trainer over several devices: rows of the batch split, parameters split, or both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from paramjax._arrays import partition_spec
from paramjax._checks import check_count, check_rows, is_key, leaf_name
from paramjax._types import Batch, Key, Metrics, ModelState, Params, PyTree
from paramjax.step._state import Trainer, TrainState

Axes = tuple[str, ...]
_constrain: Callable[[Any, NamedSharding], Any] = jax.lax.with_sharding_constraint


def shard(
    trainer: Trainer,
    mesh: Mesh,
    *,
    data_axis: str | Sequence[str] | None = "data",
    params_axis: str | Sequence[str] | None = None,
    min_size: int = 2**14,
) -> Trainer:
    """Run a trainer on the devices of a mesh, with the same results.

    The batch is split by rows over `data_axis`. Without `params_axis` each device holds the
    whole state, and XLA adds up the gradients: data parallelism. With it, each array of the
    state (parameters, optimizer state, averages) of at least `min_size` elements is split
    along the longest of its axes whose length is a multiple of the devices, the first among
    equals; smaller arrays, arrays without such an axis, and keys are held whole. If the two
    axes are the same, this is stage 3 of Rajbhandari et al. (2020, section 5), known as fully
    sharded data parallelism; if they differ, the matrix products themselves are divided, as
    in Xu et al. (2021). `data_axis=("replica", "shard"), params_axis="shard"` is in between.

    Only the placement of the state and of the batch is fixed: XLA chooses the collectives,
    moves parameters or activations, whichever are smaller, and gathers parameters where they
    are used, layer by layer if layers are scanned. Sums over rows are added in another order
    than on one device, so losses agree to rounding only; random numbers are the same.

    Every process of `jax.distributed` makes the same calls with the same arguments. `fit`
    takes the same host arrays in each process, and raises if they differ. Its history is
    whole on each, and so are its parameters if `params_axis` is None; else
    `jax.experimental.multihost_utils.process_allgather(fit.params, tiled=True)` fetches them
    (on one process and on several). Arrays that `jax.device_put` bound to devices outside
    the mesh raise an error of JAX.

    Args:
        trainer: The trainer to spread.
        mesh: The devices, such as `jax.make_mesh((8,), ("data",))`. XLA partitions the step
            along all of its axes, also along Explicit ones.
        data_axis: Axis of the mesh, or several, over which rows are split; None leaves the
            batch whole.
        params_axis: Axis of the mesh, or several, over which the state is split, or None.
        min_size: Elements from which an array is split, positive; 2**14 is 64 KiB of float32.

    Returns:
        A trainer with the same state and metrics, spread over the devices of the mesh. It
        works eagerly and under `jit` and `scan`. Metrics are held whole by every device.

    Raises:
        TypeError: If the trainer, the mesh, the name of an axis or `min_size` has another type.
        ValueError: If the mesh has no such axis or no device of this process, neither axis is
            named, one is named twice, or `min_size` is out of range; at the first trace, if the
            leaves of a batch disagree in length, their rows are not a multiple of the devices,
            or the call is under `jax.set_mesh` with axes that are not Auto.

    Example:
        >>> import optax
        >>> import paramjax as pj
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> mesh = jax.make_mesh((jax.device_count(),), ("data",))
        >>> trainer = pj.trainers.shard(pj.train_step(loss_fn, optax.sgd(0.5)), mesh)
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
        return jax.tree.map(lambda leaf: _on(mesh, leaf, partition_spec()), tree)

    def by_rows(batch: Batch) -> Batch:
        if not rows_over:
            return whole(batch)
        _check_division(batch, _devices(mesh, rows_over), rows_over)
        return jax.tree.map(lambda leaf: _on(mesh, leaf, partition_spec(rows_over)), batch)

    def init(key: Key, params: Params, model_state: ModelState = ()) -> TrainState:
        state: TrainState = placed(trainer.init(key, params, model_state))
        return state

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        state, metrics = trainer.step(placed(state), by_rows(batch))
        return placed(state), whole(metrics)

    def eval_params(state: TrainState) -> Params:
        return placed(trainer.eval_params(placed(state)))

    def eval_model_state(state: TrainState) -> ModelState:
        return placed(trainer.eval_model_state(placed(state)))

    return trainer._replace(
        init=init, step=step, eval_params=eval_params, eval_model_state=eval_model_state
    )


def _on(mesh: Mesh, leaf: Any, spec: PartitionSpec) -> Any:
    """The array, spread over the mesh, eagerly or under jit."""
    return _constrain(leaf, NamedSharding(mesh, spec))


def _partition(leaf: Any, axes: Axes, devices: int, min_size: int) -> PartitionSpec:
    """The axes of the mesh over which each axis of an array is split."""
    shape = jnp.shape(leaf)
    even = [axis for axis, length in enumerate(shape) if length % devices == 0]
    if not axes or is_key(leaf) or not even or math.prod(shape) < min_size:
        return partition_spec()
    longest = max(even, key=lambda axis: shape[axis])
    return partition_spec(*[None] * longest, axes)


def _devices(mesh: Mesh, axes: Axes) -> int:
    """The number of devices along these axes."""
    return math.prod(mesh.shape[axis] for axis in axes)


def _checked_mesh(mesh: Any) -> Mesh:
    """The mesh with Auto axes: Explicit ones require each product to state its sharding."""
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
    """The names as a tuple, or an error unless the mesh has each of these axes once."""
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
    """Raise under a surrounding mesh where a placement is an assertion, not a request."""
    kinds = jax.sharding.get_abstract_mesh().axis_types
    if any(kind != AxisType.Auto for kind in kinds):
        raise ValueError(
            "shard: expected to run outside of jax.set_mesh and jax.shard_map, or under Auto axes, "
            f"got axes of types {', '.join(kind.name for kind in kinds)}; leave that mesh, shard "
            "has its own"
        )


def _check_division(batch: Batch, devices: int, axes: Axes) -> None:
    """Raise unless the devices divide the rows of the batch."""
    rows = check_rows("shard", batch)
    if rows % devices:
        path, _ = jax.tree_util.tree_leaves_with_path(batch)[0]
        named = f"{'axis' if len(axes) == 1 else 'axes'} {', '.join(map(repr, axes))}"
        raise ValueError(
            f"shard: leaf {leaf_name(path)} of the batch has {rows} rows, which the {devices} "
            f"devices of mesh {named} do not divide; take a batch of {rows // devices * devices} "
            f"rows or another multiple of {devices}"
        )
