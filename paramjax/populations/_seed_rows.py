"""Data of which each seed reads its own rows, so that seeds with other splits train together."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._types import Array, PyTree


class SeedRows(NamedTuple):
    """Data of which each seed reads its own rows; a problem's `data` or `eval_data`.

    A split of the data is an array of row numbers, so the data exist once however many splits
    there are.

    Attributes:
        data: All rows, leaves [rows, ...].
        rows: Numbers of the rows that each seed reads, int32[seeds, rows of a seed].
    """

    data: PyTree
    rows: Array


def all_rows(data: PyTree) -> PyTree:
    """The data, with the rows of every seed."""
    return data.data if isinstance(data, SeedRows) else data


def rows_of(data: PyTree, index: Array) -> PyTree:
    """The rows that the seed with an index reads; all of the data if seeds do not differ."""
    if not isinstance(data, SeedRows):
        return data
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[data.rows[index]], data.data)


def row_shapes(data: PyTree) -> PyTree:
    """The data as one seed reads them, as shapes and dtypes."""
    if not isinstance(data, SeedRows):
        return data
    count = data.rows.shape[1]
    shape_of: Any = jax.ShapeDtypeStruct
    return jax.tree.map(
        lambda leaf: shape_of((count, *jnp.shape(leaf)[1:]), jnp.result_type(leaf)), data.data
    )
