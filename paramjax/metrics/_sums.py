"""Metrics of a whole set as sums over its rows, which are exact however the rows are batched."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, cast

import jax
import jax.numpy as jnp

from paramjax._types import Array, PyTree

P = ParamSpec("P")


@dataclass(frozen=True)
class Sums:
    """A metric of some rows, as sums over them and the function that makes the metric of sums.

    F1 is no mean over rows, and the mean of the F1 of batches is not the F1 of the whole. Sums
    are: `evaluate` of `Validation`, `Problem` or `cross_validate` may return `Sums` in the place
    of a scalar; they are added over all batches, and finished once at the end.

    Attributes:
        sums: A pytree of arrays, each a sum over rows.
        finish: `(sums) -> the metric`, pure; static where `Sums` are a pytree.

    Example:
        >>> def spread(values):
        ...     moments = {"n": values.size, "x": values.sum(), "xx": (values**2).sum()}
        ...     return Sums(moments, lambda s: s["xx"] / s["n"] - (s["x"] / s["n"]) ** 2)
        >>> values = jnp.array([1.0, 2.0, 3.0, 6.0])
        >>> float((spread(values[:3]) + spread(values[3:])).value()), float(jnp.var(values))
        (3.5, 3.5)
    """

    sums: PyTree
    finish: Callable[[Any], Array]

    def __add__(self, other: Sums) -> Sums:
        """The metric of the rows of both."""
        return Sums(jax.tree.map(jnp.add, self.sums, other.sums), self.finish)

    def value(self) -> Array:
        """The metric of all rows that were added.

        Returns:
            What `finish` makes of the sums, most often a scalar.
        """
        return self.finish(self.sums)


jax.tree_util.register_dataclass(Sums, data_fields=["sums"], meta_fields=["finish"])


@dataclass(frozen=True)
class Finish:
    """A function with its last arguments: equal to another of the same function and arguments."""

    function: Callable[..., Array]
    options: tuple[Any, ...] = ()

    def __call__(self, sums: PyTree) -> Array:
        return self.function(sums, *self.options)


class SummedMetric(Protocol[P]):
    """A metric of a whole set; `sums` takes the same arguments and returns it as `Sums`."""

    sums: Callable[P, Sums]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Array: ...


def summed(metric: Callable[P, Sums]) -> SummedMetric[P]:
    """From a function that returns sums to one that returns the metric, with `.sums`."""

    @functools.wraps(metric)
    def value(*args: P.args, **kwargs: P.kwargs) -> Array:
        return metric(*args, **kwargs).value()

    signature = inspect.signature(metric).replace(return_annotation="Array")
    vars(value).update(sums=metric, __signature__=signature)
    return cast(SummedMetric[P], value)


@summed
def mean(values: Array, weight: Array | None = None) -> Sums:
    r"""$$\frac{\sum_i w_i v_i}{\sum_i w_i}$$

    `mean.sums(values, weight)` is exact over batches whose weights differ in sum, where a mean
    of the means of batches is not.

    Args:
        values: [batch, ...], such as `accuracy(logits, labels)`.
        weight: [batch], from 0; None weights all rows alike.

    Returns:
        A scalar, NaN without rows or where the weights sum to 0; `mean.sums` returns `Sums`.

    Raises:
        ValueError: If there is not one weight for each row.

    Example:
        >>> float(mean(jnp.array([1.0, 3.0]), jnp.array([3.0, 1.0])))
        1.5
    """
    values = widened(jnp.asarray(values))
    each = weight_of_rows("mean", weight, values.shape)
    each = jnp.ones(values.shape, values.dtype) if each is None else each
    return Sums({"values": (values * each).sum(), "weight": each.sum()}, Finish(_quotient))


def _quotient(sums: dict[str, Array]) -> Array:
    return sums["values"] / sums["weight"]


def widened(values: Array) -> Array:
    """At least float32: sums of half precision, and of small integers, overflow."""
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))


def weight_of_rows(who: str, weight: Any, shape: tuple[int, ...]) -> Array | None:
    """The weight of each value of rows [batch, ...]; raises unless it is [batch] or as large."""
    if weight is None:
        return None
    weight = widened(jnp.asarray(weight))
    if weight.shape not in (shape, shape[:1]) or not shape:
        raise ValueError(
            f"{who}: weight: expected one for each of the rows, {shape[:1]}, got {weight.shape}"
        )
    return jnp.broadcast_to(weight.reshape(weight.shape + (1,) * (len(shape) - weight.ndim)), shape)
