"""Permutation importance: what a score loses when one feature's column is shuffled."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import check_count, check_key, describe, is_key
from paramjax._programs import owned_jit
from paramjax._types import Array, Key
from paramjax.explain._outputs import as_numbers

Score = Callable[[Array, Any], Array]
"""`(x, y) -> number`, greater for better."""


class Importance(NamedTuple):
    """What a score lost by each feature.

    Attributes:
        mean: Mean loss of score over the repeats, of the shape of one example.
        std: Its standard deviation over the repeats (divided by their number).
        values: Loss of score of each repeat, [..., repeats].
        score: The score of the rows as they are.
    """

    mean: Array
    std: Array
    values: Array
    score: Array


def permutation_importance(
    score: Score, x: Any, y: Any, key: Key | np.ndarray, repeats: int = 5
) -> Importance:
    r"""How much a score falls when the values of one feature are dealt out anew among the rows.

    $$I_{j} = s(X, y) - \frac 1 R \sum_r s(X^{(r, j)}, y)$$
    where $X^{(r, j)}$ has the rows of column j in the order r (Breiman, 2001, Random forests,
    section 10; Fisher, Rudin and Dominici, 2019, for any model). Equal to
    `sklearn.inspection.permutation_importance` on the same orders. All features take the same
    orders. The rows should be held out; features that are correlated hide each other's importance.

    Args:
        score: `(x, y) -> number` that jax can trace, greater for better, such as
            `lambda x, y: (model.apply(params, x).argmax(axis=1) == y).mean()`.
        x: Rows, [rows, ...], an array, a list or a frame; each position of a row is a feature.
        y: Targets, leaves [rows, ...]; None for a score that needs none.
        key: A typed key, of which order r is `permutation(fold_in(key, r), rows)`; or the
            orders themselves, integers [repeats, rows].
        repeats: Number of orders, positive; unused if `key` holds the orders.

    Returns:
        Mean, standard deviation and all losses of score, and the score itself.

    Raises:
        TypeError: If the key is a legacy one, orders are not integers, rows or targets no numbers,
            or the score is no function that jax can trace.
        ValueError: If `repeats` is less than 1, the score is not one number, an order does
            not hold each row once, `x` has no features, or `y` other rows.

    Example:
        >>> x = jax.random.normal(jax.random.key(0), (50, 2))
        >>> r2 = lambda x, y: 1 - ((3 * x[:, 0] - y) ** 2).mean() / y.var()
        >>> found = permutation_importance(r2, x, 3 * x[:, 0], jax.random.key(1))
        >>> bool(found.mean[0] > 1), float(found.mean[1])
        (True, 0.0)
    """
    if not callable(score):
        raise TypeError(f"score: expected a function (x, y) -> number, got {describe(score)}")
    x = as_numbers("x", x)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(f"x: expected rows of features [rows, ...], got {describe(x)}")
    y = _checked_targets(y, x.shape[0])
    orders = _orders(key, x.shape[0], repeats)
    _check_score(score, x, y)
    lost, whole = _losses(score, x, y, orders)
    return Importance(lost.mean(axis=-1), lost.std(axis=-1), lost, whole)


def _checked_targets(y: Any, rows: int) -> Any:
    """Targets as arrays; a list of numbers or a column of a frame is one."""
    if hasattr(y, "__array__") or isinstance(y, list):
        y = as_numbers("y", y)
    for leaf in jax.tree.leaves(y):
        if jnp.shape(leaf)[:1] != (rows,):
            raise ValueError(f"y: expected targets of {rows} rows, got {describe(leaf)}")
    return y


def _check_score(score: Score, x: Array, y: Any) -> None:
    """Raise unless it is a function of jax.numpy with one number."""
    try:
        result: Any = jax.eval_shape(score, x, y)
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
        raise TypeError(
            "score: expected a function that jax can trace, got one that asks for the values of "
            "its rows, as numpy and scikit-learn do; write it in jax.numpy or take one of "
            "pj.metrics"
        ) from error
    if getattr(result, "shape", None) != () or result.dtype == bool:
        raise ValueError(f"score: expected one number for all rows, got {result}; take its mean")


def _orders(key: Any, rows: int, repeats: int) -> Array:
    """The orders of the rows, int[repeats, rows]."""
    key = np.asarray(key) if isinstance(key, list | tuple) else key
    if getattr(key, "ndim", 0) != 2 or is_key(key):
        check_key(key)
        numbers = jnp.arange(check_count("repeats", repeats))
        drawn: Array = jax.lax.map(
            lambda number: jax.random.permutation(jax.random.fold_in(key, number), rows), numbers
        )
        return drawn
    if not jnp.issubdtype(key.dtype, jnp.integer):
        raise TypeError(f"key: expected a key or orders of the rows, integers, got {describe(key)}")
    orders = np.asarray(key)
    if orders.shape[1] != rows or (np.sort(orders) != np.arange(rows)[None]).any():
        raise ValueError(
            f"key: expected orders [repeats, {rows}] that hold each row once, got {describe(key)}"
        )
    return jnp.asarray(orders)


@owned_jit()
def _losses(score: Score, x: Array, y: Any, orders: Array) -> tuple[Array, Array]:
    """Losses of score [..., repeats], and the score."""
    columns = x.reshape(x.shape[0], -1)
    whole = score(x, y)

    def lost(feature: Array) -> Any:
        column = columns[:, feature]

        def one(order: Array) -> Array:
            shuffled = columns.at[:, feature].set(column[order])
            return whole - score(shuffled.reshape(x.shape), y)

        return jax.lax.map(one, orders)

    losses: Array = jax.lax.map(lost, jnp.arange(math.prod(x.shape[1:])))
    return losses.reshape(*x.shape[1:], orders.shape[0]), whole
