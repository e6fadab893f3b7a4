"""Small dense factors: by LAPACK for one problem, by loops of JAX for a population.

XLA's CPU client hands a batch of LAPACK calls to the thread pool that its programs run in, so that
two programs that do it at once wait for each other for ever (jaxlib 0.10). The loops run each line
over all problems at once; for one problem alone they would take longer to compile.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_batching import custom_vmap
from jax.scipy import linalg

from paramjax._types import Array


def triangle(table: Array, columns: int) -> Array:
    """R of a QR, up to the signs of its rows, [columns, all columns].

    Args:
        table: [n, q], with at least as many rows as columns are eliminated.
        columns: How many of its first columns are eliminated.

    Returns:
        Their triangle, and beside it what the other columns have along each of them.

    Example:
        >>> jnp.abs(triangle(jnp.array([[3.0, 1.0], [4.0, 2.0]]), 1)).round(4).tolist()
        [[5.0, 2.2]]
    """

    def by_lapack(table: Array) -> Array:
        return jnp.linalg.qr(table, mode="r")[:columns]

    found: Array = _apart(by_lapack, partial(reflected, columns=columns))(table)
    return found


def solve_upper(triangle: Array, right: Array, *, transposed: bool = False) -> Array:
    """The solution of `R x = b`, or of `R' x = b`, of an upper triangle [p, p] and [p].

    Example:
        >>> solve_upper(jnp.array([[2.0, 1.0], [0.0, 4.0]]), jnp.array([4.0, 8.0])).tolist()
        [1.0, 2.0]
    """
    by_lapack = partial(linalg.solve_triangular, trans=int(transposed))
    by_loop = partial(substituted, transposed=transposed)
    found: Array = _apart(by_lapack, by_loop)(triangle, right)
    return found


def solve_definite(matrix: Array, right: Array) -> tuple[Array, Array]:
    """The solution of `A x = b` with A positive definite, and the least pivot of its factor, [].

    The pivot is not positive, or NaN, if A is not definite; the solution means nothing then.

    Example:
        >>> solution, pivot = solve_definite(jnp.array([[4.0, 2.0], [2.0, 3.0]]), jnp.ones(2))
        >>> solution.round(3).tolist(), round(float(pivot), 3)
        ([0.125, 0.25], 2.0)
    """
    found: tuple[Array, Array] = _apart(_by_cholesky, eliminated)(matrix, right)
    return found


def _apart(one: Callable[..., Any], each: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one problem that is another one for each problem of a population."""
    chosen = custom_vmap(one)

    @chosen.def_vmap
    def _(size: int, batched: list[bool], *arrays: Array) -> tuple[Any, Any]:
        axes = tuple(0 if own else None for own in batched)
        found = jax.vmap(each, axes, axis_size=size)(*arrays)
        return found, jax.tree.map(lambda _: True, found)

    return chosen


def reflected(table: Array, columns: int) -> Array:
    """`triangle` by Householder's reflections (1958)."""
    rows = jnp.arange(table.shape[0])

    def reflect(j: Any, left: Array) -> Array:
        column = jnp.where(rows >= j, left[:, j], 0.0)
        largest = jnp.abs(column).max()
        column = column / jnp.where(largest > 0, largest, 1.0)  # squares stay within range
        head, length = column[j], jnp.sqrt((column**2).sum())
        vector = column + jnp.where(rows == j, jnp.where(head < 0, -length, length), 0.0)
        half = length * (length + jnp.abs(head))
        along = vector @ left / jnp.where(half > 0, half, 1.0)
        turned: Array = left - jnp.outer(vector, along)
        return turned

    done: Array = lax.fori_loop(0, columns, reflect, table)
    return jnp.triu(done[:columns])


def substituted(triangle: Array, right: Array, *, transposed: bool = False) -> Array:
    """`solve_upper`, one number after the other."""
    p = right.shape[0]
    matrix, places = triangle.T if transposed else triangle, jnp.arange(p)

    def substitute(i: Any, left: Array) -> Array:
        j = i if transposed else p - 1 - i
        solved = left[j] / matrix[j, j]
        ahead = places > j if transposed else places < j
        changed = jnp.where(ahead, left - matrix[:, j] * solved, left)
        taken: Array = jnp.where(places == j, solved, changed)
        return taken

    solution: Array = lax.fori_loop(0, p, substitute, right)
    return solution


def eliminated(matrix: Array, right: Array) -> tuple[Array, Array]:
    """`solve_definite` by Gauss and Jordan's elimination, which exchanges no rows."""
    p = right.shape[0]
    table, places = jnp.concatenate([matrix, right[:, None]], axis=1), jnp.arange(p)

    def eliminate(j: Any, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        left, least = carry
        pivot = left[j, j]
        factor = jnp.where(places == j, 0.0, left[:, j] / pivot)
        return left - jnp.outer(factor, left[j]), jnp.minimum(least, pivot)

    start = jnp.full((), jnp.inf, matrix.dtype)
    left, least = lax.fori_loop(0, p, eliminate, (table, start))
    return left[:, p] / jnp.diagonal(left[:, :p]), least


def _by_cholesky(matrix: Array, right: Array) -> tuple[Array, Array]:
    factor = jnp.linalg.cholesky(matrix)
    return linalg.cho_solve((factor, True), right), jnp.min(jnp.diagonal(factor)) ** 2
