"""What the refits of a bootstrap read: counts of rows, resampled residuals, simulated data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._programs import owned_jit
from paramjax._types import Array, Key, PyTree
from paramjax.estimate._estimate import Estimate
from paramjax.estimate._linear_algebra import decompose
from paramjax.estimate.uncertainty._refits import objective_of, solver_theta


class Block(NamedTuple):
    """Some replicates: how many, and the keywords of `Objective.solve_many` that they vary."""

    size: int
    varied: dict[str, Any]


_NUMBERS = 2**24
"""Numbers of one block of replicates at most."""


def resamples(
    est: Estimate, key: Key, replicates: int, kind: str, groups: np.ndarray | None
) -> Iterator[Block]:
    """Blocks of replicates; the i-th replicate depends on the key and i alone."""
    make = {"case": _cases, "residual": _residuals, "parametric": _simulated}[kind]
    n = rows_of(est)
    block = max(min(_NUMBERS // n, replicates), 1)
    draw = make(est, groups)
    for first in range(0, replicates, block):
        with jax.enable_x64(True):
            yield draw(key, np.arange(first, min(first + block, replicates)))


def rows_of(est: Estimate) -> int:
    """How many rows the objective has, those of weight 0 among them."""
    objective = objective_of(est, "bootstrap")
    if objective.weights is not None:
        return len(objective.weights)
    with jax.enable_x64(True):
        return int(jax.eval_shape(objective.rows, solver_theta(est), objective.data).shape[0])


def weights_of(est: Estimate) -> np.ndarray:
    """Of the rows, ones where there are none."""
    weights = objective_of(est, "bootstrap").weights
    return np.ones(rows_of(est)) if weights is None else weights


def _cases(est: Estimate, groups: np.ndarray | None) -> Callable[[Key, np.ndarray], Block]:
    """Rows, or whole groups of them, drawn with replacement: how often each came."""
    weights = weights_of(est)
    counting = np.flatnonzero(weights > 0)
    units = np.arange(len(counting)) if groups is None else groups[counting]
    names, unit = np.unique(units, return_inverse=True)

    def draw(key: Key, at: np.ndarray) -> Block:
        drawn = np.asarray(_indices(len(names), len(names), key, at))
        shifted = drawn + len(names) * np.arange(len(at))[:, None]
        counts = np.bincount(shifted.ravel(), minlength=len(at) * len(names))
        own = np.zeros((len(at), len(weights)))
        own[:, counting] = counts.reshape(len(at), -1)[:, unit]
        return Block(len(at), {"weights": own * weights})

    return draw


def _residuals(est: Estimate, groups: np.ndarray | None) -> Callable[[Key, np.ndarray], Block]:
    """Residuals of variance s^2, drawn with replacement and put in place of the rows' own."""
    objective = objective_of(est, "bootstrap")
    residuals, jacobian = objective.evaluate(solver_theta(est))
    weights = weights_of(est)
    root, counting = np.sqrt(weights), weights > 0
    pool = modified_residuals(residuals, jacobian, weights)[counting]
    pool = pool - pool.mean()

    def draw(key: Key, at: np.ndarray) -> Block:
        drawn = pool[np.asarray(_indices(len(pool), len(weights), key, at))]
        errors = np.divide(drawn, root, out=np.zeros_like(drawn), where=counting)
        return Block(len(at), {"offset": np.where(counting, errors - residuals, 0.0)})

    return draw


def modified_residuals(
    residuals: np.ndarray, jacobian: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Weighted residuals over the root of one less their leverage: all of the same variance.

    Davison and Hinkley (1997, Bootstrap Methods and their Application, eq. 6.9).
    """
    root = np.sqrt(weights)
    found = decompose(root[:, None] * jacobian)
    q = found.q[:, : found.rank]
    leverage = np.minimum(np.einsum("ij,ij->i", q, q), 1 - 1e-9)
    modified: np.ndarray = root * residuals / np.sqrt(1 - leverage)
    return modified


def _simulated(est: Estimate, groups: np.ndarray | None) -> Callable[[Key, np.ndarray], Block]:
    """Responses drawn from the fitted model, or normal residuals of its variance."""
    objective = objective_of(est, "bootstrap")
    if objective.simulate is not None:
        simulate, theta, data = objective.simulate, solver_theta(est), objective.data
        axes = _changed(simulate, theta, data)

        def draw(key: Key, at: np.ndarray) -> Block:
            drawn = jax.device_get(_simulate(simulate, axes, key, at, theta, data))
            leaves = iter(drawn)
            old = jax.tree.leaves(data)
            new = [next(leaves) if own else leaf for own, leaf in zip(axes, old, strict=True)]
            tree = jax.tree.structure(data)
            marks = jax.tree.unflatten(tree, [0 if own else None for own in axes])
            return Block(len(at), {"data": jax.tree.unflatten(tree, new), "data_axes": marks})

        return draw
    residuals, _ = objective.evaluate(solver_theta(est))
    weights = weights_of(est)
    counting = weights > 0
    spread = np.sqrt(est.scale / np.where(counting, weights, 1.0))

    def draw_normal(key: Key, at: np.ndarray) -> Block:
        errors = spread * np.asarray(_normals(len(weights), key, at))
        return Block(len(at), {"offset": np.where(counting, errors - residuals, 0.0)})

    return draw_normal


def _changed(simulate: Callable[..., PyTree], theta: np.ndarray, data: PyTree) -> tuple[bool, ...]:
    """Which leaves of the data a simulation draws; the others are the very arrays it was given."""
    changed: list[bool] = []

    def look(key: Key, own: PyTree) -> None:
        old, new = jax.tree.leaves(own), jax.tree.leaves(simulate(key, theta, own))
        changed.extend(a is not b for a, b in zip(old, new, strict=True))

    with jax.enable_x64(True):
        jax.eval_shape(look, jax.random.key(0), data)
    return tuple(changed)


@owned_jit(static=2)
def _simulate(
    simulate: Callable[..., PyTree],
    changed: tuple[bool, ...],
    key: Key,
    at: Array,
    theta: Array,
    data: PyTree,
) -> list[Array]:
    def one(index: Array) -> list[Array]:
        leaves = jax.tree.leaves(simulate(jax.random.fold_in(key, index), theta, data))
        return [leaf for leaf, own in zip(leaves, changed, strict=True) if own]

    return jax.vmap(one)(at)


@owned_jit(static=2)
def _indices(units: int, size: int, key: Key, at: Array) -> Array:
    def one(index: Array) -> Array:
        return jax.random.randint(jax.random.fold_in(key, index), (size,), 0, units)

    return jax.vmap(one)(at)


@owned_jit()
def _normals(size: int, key: Key, at: Array) -> Array:
    def one(index: Array) -> Array:
        return jax.random.normal(jax.random.fold_in(key, index), (size,), jnp.float64)

    return jax.vmap(one)(at)
