"""Curvature by its largest eigenvalues, found without the matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from paramjax._checks import check_count, check_key
from paramjax._programs import owned_jit
from paramjax._types import Array, Key, Params
from paramjax.estimate.networks._curvature import Curvature, Form, Structure
from paramjax.estimate.networks._leaves import leaves_matching
from paramjax.estimate.networks._likelihoods import Likelihood
from paramjax.estimate.networks._network import (
    ApplyFn,
    Network,
    chosen_leaves,
    outputs_of,
    rows_at_once,
    total_over_batches,
    with_leaves,
)

_BEYOND = 10
"""Directions that are searched beyond the rank (Halko, Martinsson and Tropp, 2011, section 4.2)."""

_ROUNDS = 3
"""Products with the matrix; each sharpens the directions by the ratio of the eigenvalues."""


@dataclass(frozen=True)
class _Leading(Form):
    """Coordinates along the leading eigenvectors, and what of a row lies outside them."""

    def into(self, basis: Array, rows: Array) -> Array:
        along = rows @ basis
        return jnp.concatenate([along, rows - along @ basis.T], axis=-1)

    def back(self, basis: Array, coordinates: Array) -> Array:
        rank = basis.shape[1]
        along, rest = coordinates[..., :rank], coordinates[..., rank:]
        return (along - rest @ basis) @ basis.T + rest


@dataclass(frozen=True, eq=False)
class _LowRank:
    """See `low_rank`."""

    rank: int
    key: Key
    paths: str | None

    def curvature(self, network: Network) -> Curvature:
        """Subspace iteration from random directions, and Rayleigh-Ritz in the last subspace."""
        chosen, size = leaves_matching(network, self.paths)
        width = min(size, self.rank + _BEYOND)
        directions = np.asarray(jax.random.normal(self.key, (size, width)), np.float64)
        for _ in range(_ROUNDS):
            directions = np.linalg.qr(directions)[0]
            products = _product(network, chosen, directions)
            kept, directions = directions, products
        small = kept.T @ products
        values, vectors = np.linalg.eigh((small + small.T) / 2)
        first = np.argsort(-values)[: min(self.rank, size)]
        basis = kept @ vectors[:, first]
        title = f"rank {len(first)}"
        return Curvature(
            _Leading(), basis, np.maximum(values[first], 0), chosen, size, title, flat=size
        )


def low_rank(rank: int, key: Key, paths: str | None = None) -> Structure:
    r"""All correlations along the directions that the data determines most.

    $$H \approx U \operatorname{diag}(d_1 \ldots d_r)\, U^T$$
    the largest eigenvalues of the generalised Gauss-Newton matrix and their vectors, by subspace
    iteration from random directions (Halko, Martinsson and Tropp, 2011, algorithm 4.4). Along all
    others the posterior is the prior.

    Args:
        rank: r, positive; the directions take `(rank + 10) * parameters` numbers.
        key: A typed key for the first directions.
        paths: A pattern that matches the whole names of the uncertain leaves, such as
            `"head/.*"`; None takes all.

    Returns:
        A structure for `laplace`.

    Raises:
        TypeError: If the rank is not a whole number, or the key a legacy one.
        ValueError: If the rank is less than 1.

    Example:
        >>> low_rank(20, jax.random.key(0)).rank
        20
    """
    return _LowRank(check_count("rank", rank), check_key(key), paths)


def _product(network: Network, chosen: tuple[int, ...], directions: np.ndarray) -> np.ndarray:
    """The matrix times directions [p, width]."""
    width = directions.shape[1]
    total: np.ndarray = total_over_batches(
        network,
        rows_at_once(network.batch_size, width * network.outputs * 100),
        lambda batch: _batch_product(
            network.apply_fn, network.likelihood, chosen, network.params,
            directions.T.astype(np.float32), batch.x, batch.weight,
        ),
    )  # fmt: skip
    return total.T


@owned_jit(static=3)
def _batch_product(
    apply_fn: ApplyFn, likelihood: Likelihood, chosen: tuple[int, ...], params: Params,
    directions: Array, x: Any, weight: Array,
) -> Array:  # fmt: skip
    """Of each direction, [width, p]."""
    leaves = chosen_leaves(params, chosen)
    flat, unravel = ravel_pytree(leaves)
    outputs, push = jax.linearize(
        lambda flat: outputs_of(apply_fn, with_leaves(params, chosen, unravel(flat)), x), flat
    )
    pull = jax.linear_transpose(push, flat)
    wide = outputs.astype(jnp.promote_types(outputs.dtype, jnp.float32))
    root = likelihood.root(wide) * weight.astype(wide.dtype)[:, None, None]

    def one(direction: Array) -> Array:
        change = push(direction.astype(flat.dtype)).astype(wide.dtype)
        curved = jnp.einsum("bcr,bdr,bd->bc", root, root, change)
        product: Array = pull(curved.astype(outputs.dtype))[0].astype(wide.dtype)
        return product

    products: Array = jax.vmap(one)(directions)
    return products
