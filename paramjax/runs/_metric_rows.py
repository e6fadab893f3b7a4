"""The metrics of the steps of a chunk: one row a step, so that a step writes once, not per metric.

On a CPU each write is a kernel of its own: beside a step of a microsecond that is half of it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._types import Array, Metrics


class _Column(NamedTuple):
    """Where a metric lies: its dtype, its first place in the rows of that dtype, and its shape."""

    name: str
    dtype: str
    first: int
    shape: tuple[int, ...]


@jax.tree_util.register_pytree_node_class
class MetricRows:
    """Metrics of steps, [capacity, places] for each dtype.

    Example:
        >>> shapes = jax.eval_shape(lambda: {"loss": jnp.float32(1), "skipped": jnp.int32(0)})
        >>> rows = MetricRows.room(shapes, 3).written(1, {"loss": 0.5, "skipped": 2})
        >>> {name: own.tolist() for name, own in jax.device_get(rows).metrics(2).items()}
        {'loss': [0.0, 0.5], 'skipped': [0, 2]}
    """

    def __init__(
        self, buffers: dict[str, Array], columns: tuple[_Column, ...], capacity: int
    ) -> None:
        self._buffers, self._columns, self._capacity = buffers, columns, capacity

    @classmethod
    def room(cls, shapes: Metrics, capacity: int, beyond: int = 0) -> MetricRows:
        """Room for the metrics of `capacity` steps, and for some `beyond` that nobody reads."""
        columns, widths = [], dict[str, int]()
        for name, own in shapes.items():
            dtype = str(own.dtype)
            columns.append(_Column(name, dtype, widths.get(dtype, 0), own.shape))
            widths[dtype] = widths.get(dtype, 0) + math.prod(own.shape)
        # zeros, which are never read: NaN would stop a run under jax_debug_nans
        size = capacity + beyond
        buffers = {dtype: jnp.zeros((size, width), dtype) for dtype, width in widths.items()}
        return cls(buffers, tuple(columns), capacity)

    def row(self, metrics: Metrics) -> dict[str, Array]:
        """The metrics of one step as a row of each dtype."""
        parts: dict[str, list[Any]] = {dtype: [] for dtype in self._buffers}
        for column in self._columns:
            value = jnp.asarray(metrics[column.name], column.dtype)
            parts[column.dtype].append(value.reshape(-1))
        return {dtype: jnp.concatenate(own) for dtype, own in parts.items()}

    def written(self, step: Array | int, metrics: Metrics) -> MetricRows:
        """With the metrics of one step."""
        rows = {dtype: own[None] for dtype, own in self.row(metrics).items()}
        return self.with_rows(step, rows)

    def with_rows(self, step: Array | int, rows: dict[str, Array]) -> MetricRows:
        """With rows of several steps from `step` on, each [steps, places]."""
        update = jax.lax.dynamic_update_slice_in_dim
        new = {dtype: update(own, rows[dtype], step, 0) for dtype, own in self._buffers.items()}
        return MetricRows(new, self._columns, self._capacity)

    def metrics(self, steps: int) -> dict[str, Any]:
        """Of the first steps, name -> [steps, ...]: of fetched rows, in their memory.

        No more than there is room for.
        """
        found, steps = {}, min(steps, self._capacity)
        for name, dtype, first, shape in self._columns:
            places = self._buffers[dtype][:steps, first : first + math.prod(shape)]
            found[name] = places.reshape(len(places), *shape) if shape else places[:, 0]
        return found

    def tree_flatten(self) -> tuple[tuple[dict[str, Array]], tuple[tuple[_Column, ...], int]]:
        """The buffers, and what is static: the columns and the capacity."""
        return (self._buffers,), (self._columns, self._capacity)

    @classmethod
    def tree_unflatten(cls, static: Any, children: Any) -> MetricRows:
        """The inverse of `tree_flatten`."""
        return cls(children[0], *static)
