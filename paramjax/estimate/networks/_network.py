"""A network and its data in batches: outputs, and their Jacobian by the uncertain parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import check_rows, leaf_name
from paramjax._programs import owned_jit
from paramjax._types import Array, Params
from paramjax.estimate.networks._likelihoods import Likelihood

ApplyFn = Callable[[Params, Any], Array]
"""`(params, x) -> outputs`, [batch, k] or [batch]."""

_NUMBERS = 2**24
"""Most numbers of the Jacobians of a batch: 64 MiB in float32."""


@dataclass(frozen=True, eq=False)
class Network:
    """What the curvature is taken of.

    Attributes:
        apply_fn: Pure.
        params: Its parameters.
        likelihood: Of the targets.
        x: Inputs, a pytree of [rows, ...].
        y: Targets.
        outputs: How many outputs each row has.
        batch_size: Most rows at a time.
    """

    apply_fn: ApplyFn
    params: Params
    likelihood: Likelihood
    x: Any
    y: np.ndarray
    outputs: int
    batch_size: int

    @property
    def names(self) -> list[str]:
        """Of the leaves."""
        return [leaf_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(self.params)]

    @property
    def sizes(self) -> list[int]:
        """Of the leaves."""
        return [int(np.size(leaf)) for leaf in jax.tree.leaves(self.params)]


class Batch(NamedTuple):
    """Rows of one program.

    Attributes:
        x: Inputs [batch, ...].
        y: Targets [batch, ...].
        weight: 1, or 0 for a row that only fills the batch up, [batch].
        rows: How many count.
    """

    x: Any
    y: np.ndarray
    weight: np.ndarray
    rows: int


def batches(x: Any, y: np.ndarray, size: int) -> Iterator[Batch]:
    """Batches of one size, the last one filled up with its first row."""
    rows = len(y)
    size = max(1, math.ceil(rows / math.ceil(rows / size)))
    for start in range(0, rows, size):
        index = np.arange(start, start + size)
        inside = index < rows
        index = np.where(inside, index, start)
        part = jax.tree.map(lambda leaf, index=index: np.asarray(leaf)[index], x)
        yield Batch(part, y[index], inside.astype(np.float32), int(inside.sum()))


def rows_at_once(batch_size: int, numbers: int) -> int:
    """As many as there is room for, of so many numbers each."""
    return max(1, min(batch_size, _NUMBERS // max(1, numbers)))


def outputs_of(apply_fn: ApplyFn, params: Params, x: Any) -> Array:
    """The outputs, [batch, k]."""
    outputs = apply_fn(params, x)
    return outputs.reshape(outputs.shape[0], -1)


def chosen_leaves(params: Params, chosen: tuple[int, ...]) -> list[Array]:
    """The leaves at these indices."""
    leaves = jax.tree.leaves(params)
    return [leaves[i] for i in chosen]


def with_leaves(params: Params, chosen: tuple[int, ...], leaves: list[Array]) -> Params:
    """The parameters with other leaves at these indices."""
    all_leaves, treedef = jax.tree.flatten(params)
    for i, leaf in zip(chosen, leaves, strict=True):
        all_leaves[i] = leaf
    return jax.tree.unflatten(treedef, all_leaves)


def jacobian(
    apply_fn: ApplyFn, chosen: tuple[int, ...], params: Params, x: Any
) -> tuple[Array, Array]:
    """Outputs [batch, k], and of each row their derivatives by the chosen leaves, [batch, k, p]."""

    def of_row(x: Any) -> tuple[Array, Array]:
        one = jax.tree.map(lambda leaf: leaf[None], x)

        def outputs(leaves: list[Array]) -> Array:
            return outputs_of(apply_fn, with_leaves(params, chosen, leaves), one)[0]

        value, pull = jax.vjp(outputs, chosen_leaves(params, chosen))
        (rows,) = jax.vmap(pull)(jnp.eye(len(value), dtype=value.dtype))
        return value, jnp.concatenate([row.reshape(len(value), -1) for row in rows], axis=1)

    value, rows = jax.vmap(of_row)(x)
    wide = jnp.promote_types(rows.dtype, jnp.float32)
    return value.astype(wide), rows.astype(wide)


def fit_of(network: Network) -> float:
    """The sum of the likelihood's `fit` over the rows; raise unless it is finite.

    Raises:
        ValueError: If an output is not finite; its row is named.
    """
    total, start = 0.0, 0
    for batch in batches(network.x, network.y, network.batch_size):
        found = _fits(network.apply_fn, network.likelihood, network.params, batch.x, batch.y)
        each = np.asarray(found, np.float64)[: batch.rows]
        if not np.isfinite(each).all():
            row = start + int(np.argmin(np.isfinite(each)))
            raise ValueError(
                f"apply_fn: expected finite outputs, got {each[row - start]} as the fit of row "
                f"{row} of the data; check that row, and that the parameters are finite"
            )
        total, start = total + float(each.sum()), start + batch.rows
    return total


@owned_jit(static=2)
def _fits(apply_fn: ApplyFn, likelihood: Likelihood, params: Params, x: Any, y: Array) -> Array:
    outputs = outputs_of(apply_fn, params, x)
    return likelihood.fit(outputs.astype(jnp.promote_types(outputs.dtype, jnp.float32)), y)


def check_rows_apart(apply_fn: ApplyFn, params: Params, x: Any) -> None:
    """Raise where the outputs of a row depend on the row beside it, as those of training do.

    Raises:
        ValueError: If they do.
    """
    two = jax.tree.map(lambda leaf: np.asarray(leaf[:2]), x)
    found = _first_outputs(apply_fn, params, two)
    rounding = max(0.01, 20 * float(jnp.finfo(found[0].dtype).eps))  # type: ignore[no-untyped-call]
    alone, beside = (np.asarray(each, np.float64) for each in found)
    if (np.abs(alone - beside) > rounding * (1 + np.abs(beside).max())).any():
        raise ValueError(
            f"apply_fn: expected outputs of each row by itself, got {alone} of row 0 alone and "
            f"{beside} beside row 1; of a module with batch statistics or dropout take its "
            "evaluation, lambda params, x: net.evaluate(params, net.model_state, x)"
        )


@owned_jit()
def _first_outputs(apply_fn: ApplyFn, params: Params, two: Any) -> tuple[Array, Array]:
    """Of the first row alone, and beside the second."""
    one = jax.tree.map(lambda leaf: leaf[:1], two)
    return outputs_of(apply_fn, params, one)[0], outputs_of(apply_fn, params, two)[0]


def total_over_batches(network: Network, size: int, part: Callable[[Batch], Any]) -> Any:
    """The sum over batches of a pytree of arrays, in float64 on the host."""
    total: Any = None
    for batch in batches(network.x, network.y, size):
        own = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), part(batch))
        total = own if total is None else jax.tree.map(np.add, total, own)
    return total


def rows_of(x: Any, y: Any = None) -> int:
    """How many rows the data has; raise unless inputs and targets agree, and there are some.

    Raises:
        ValueError: If they do not, or there are none.
    """
    rows = check_rows("data", {"x": x, "y": y})
    if not rows:
        raise ValueError("data: expected at least one row, got none")
    return rows
