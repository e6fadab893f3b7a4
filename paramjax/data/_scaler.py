"""Scalers, fitted on training rows and applied to any: pure functions and arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import nearest
from paramjax._types import Array, Batch
from paramjax.data._leaves import check_leaf
from paramjax.data._splits import Splits


class Scaler(NamedTuple):
    """An affine map of each feature, `(x - shift) / scale`.

    Host arrays are scaled in float64 and become float32, so that seconds since 1970 keep their
    digits; arrays of JAX, also traced ones, keep their dtype.

    Attributes:
        shift: [...], the shape of a row.
        scale: [...], positive.

    Example:
        >>> scaler = standard_scaler(np.array([[1.0], [3.0]]))
        >>> scaler.apply(np.array([[5.0]])).tolist(), scaler.invert(np.array([[0.0]])).tolist()
        ([[3.0]], [[2.0]])
    """

    shift: Array | np.ndarray
    scale: Array | np.ndarray

    def apply(self, x: Any) -> Any:
        """Rows [rows, ...] scaled.

        Args:
            x: [rows, ...], whose rows have the shape of those that the scaler was fitted on.

        Returns:
            The same shape.

        Raises:
            ValueError: If the rows have another shape.
        """
        x, shift, scale, dtype = self._aligned(x)
        return ((x - shift) / scale).astype(dtype)

    def invert(self, x: Any) -> Any:
        """The rows [rows, ...] that `apply` gives these for.

        Args:
            x: [rows, ...], scaled.

        Returns:
            The same shape.

        Raises:
            ValueError: If the rows have another shape.
        """
        x, shift, scale, dtype = self._aligned(x)
        return (x * scale + shift).astype(dtype)

    def _aligned(self, x: Any) -> tuple[Any, Any, Any, Any]:
        """The rows, and the scaler with an axis for them, in one dtype; and that of the result."""
        if np.shape(x)[1:] != np.shape(self.shift):
            raise ValueError(
                f"scaler: expected rows of shape {np.shape(self.shift)}, got {np.shape(x)[1:]}; "
                "pass x [rows, ...] with the features that it was fitted on"
            )
        shift, scale = self.shift[None], self.scale[None]
        if isinstance(x, jax.Array) or isinstance(self.shift, jax.Array):
            x = jnp.asarray(x)
            dtype = jnp.promote_types(x.dtype, jnp.float16)
            return x.astype(dtype), jnp.asarray(shift, dtype), jnp.asarray(scale, dtype), dtype
        return np.asarray(x, np.float64), shift, scale, np.float32


def standard_scaler(x: Any) -> Scaler:
    r"""$$x \mapsto (x - \bar x) / s$$ with the mean and the standard deviation of each feature.

    The deviation divides by the number of rows. A feature that is constant here is only shifted.

    Args:
        x: Training rows [rows, ...]; traced ones as well.

    Returns:
        The scaler.

    Raises:
        TypeError: If the rows are no array of real numbers.
        ValueError: If there are none, or a value is not finite.

    Example:
        >>> x = np.array([[1.0, 7.0], [3.0, 7.0]])
        >>> standard_scaler(x).apply(x).tolist()
        [[-1.0, 0.0], [1.0, 0.0]]
    """
    x, xp = _checked(x)
    mean = x.mean(axis=0)
    return Scaler(mean, _spread(xp, x.std(axis=0), mean))


def min_max_scaler(x: Any, *, low: float = 0.0, high: float = 1.0) -> Scaler:
    """Map the least value of each feature to `low` and the largest one to `high`.

    Rows that were not seen here may lie beyond. A feature that is constant here becomes `low`.

    Args:
        x: Training rows [rows, ...]; traced ones as well.
        low: Less than `high`.
        high: The largest value.

    Returns:
        The scaler.

    Raises:
        TypeError: If the rows are no array of real numbers.
        ValueError: If there are none, a value is not finite, or `low` is not below `high`.

    Example:
        >>> min_max_scaler(np.array([[2.0], [4.0]]), low=-1.0).apply(np.array([[3.0]])).tolist()
        [[0.0]]
    """
    if not low < high:
        raise ValueError(f"min_max_scaler: expected low < high, got {low} and {high}")
    x, xp = _checked(x)
    least, most = x.min(axis=0), x.max(axis=0)
    scale = _spread(xp, most - least, xp.maximum(abs(least), abs(most))) / (high - low)
    return Scaler(least - low * scale, scale)


def robust_scaler(x: Any) -> Scaler:
    """Subtract the median of each feature and divide by the distance of its quartiles.

    A few wild values change neither (Tukey, 1977). A feature whose quartiles are equal is only
    shifted.

    Args:
        x: Training rows [rows, ...]; traced ones as well.

    Returns:
        The scaler.

    Raises:
        TypeError: If the rows are no array of real numbers.
        ValueError: If there are none, or a value is not finite.

    Example:
        >>> x = np.array([[1.0], [2.0], [3.0], [4.0], [1000.0]])
        >>> robust_scaler(x).apply(x)[:4, 0].tolist()
        [-1.0, -0.5, 0.0, 0.5]
    """
    x, xp = _checked(x)
    quarter, median, three_quarters = xp.percentile(x, xp.asarray([25.0, 50.0, 75.0]), axis=0)
    return Scaler(median, _spread(xp, three_quarters - quarter, median))


def scale(
    splits: Splits, fit: Callable[[Any], Scaler] = standard_scaler, name: str = "x"
) -> Splits:
    """Scale one leaf of all parts by what its training part says.

    Args:
        splits: The parts; nothing is learned from validation and test.
        fit: `(rows) -> Scaler`, such as `robust_scaler`.
        name: The leaf, [rows, ...].

    Returns:
        The parts with that leaf scaled, float32.

    Raises:
        TypeError: If the leaf does not hold real numbers.
        ValueError: If there is no such leaf.

    Example:
        >>> from paramjax.data import split
        >>> scaled = scale(split({"x": np.arange(20.0)[:, None]}), min_max_scaler)
        >>> float(scaled.train["x"].min()), float(scaled.train["x"].max())
        (0.0, 1.0)
    """
    if not isinstance(splits.train, dict) or name not in splits.train:
        known = splits.train if isinstance(splits.train, dict) else ()
        raise ValueError(f"scale: {nearest(name, known, what='leaf')}")
    scaler = fit(splits.train[name])

    def scaled(part: Batch) -> Batch:
        return {**part, name: scaler.apply(part[name])}

    return Splits(*map(scaled, splits))


class Moments(NamedTuple):
    """Running mean and variance of rows that arrive in batches (Chan, Golub and LeVeque, 1983).

    As the model state of a training it standardises by the rows that this training has seen, and
    by no others, so that nothing leaks out of the rows that a fold of `cross_validate` or
    `sweep(folds=...)` holds out. With `batch_size=None` all training rows are known from the
    first step on; with smaller batches after the first epoch.

    Attributes:
        rows: How many were seen, a scalar.
        mean: Of each feature, [...].
        squares: Summed squared deviations from it, [...].

    Example:
        >>> seen = Moments.none((1,)).update(jnp.array([[1.0], [3.0]]))
        >>> seen = seen.update(jnp.array([[5.0]]))
        >>> seen.scaler().shift.tolist(), seen.scaler().apply(jnp.array([[3.0]])).tolist()
        ([3.0], [[0.0]])
    """

    rows: Array
    mean: Array
    squares: Array

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> Moments:
        """The moments of no rows.

        Args:
            shape: Of one row.

        Returns:
            Zeros, float32.
        """
        return cls(jnp.zeros(()), jnp.zeros(shape), jnp.zeros(shape))

    def update(self, x: Array) -> Moments:
        """The moments with further rows.

        Args:
            x: [rows, ...].

        Returns:
            Those of all rows so far.
        """
        new, mean = x.shape[0], x.mean(axis=0)
        rows = self.rows + new
        difference = mean - self.mean
        squares = jnp.square(x - mean[None]).sum(axis=0)
        return Moments(
            rows,
            self.mean + difference * (new / rows),
            self.squares + squares + jnp.square(difference) * (self.rows * new / rows),
        )

    def scaler(self) -> Scaler:
        """The scaler to mean 0 and deviation 1; before any rows it changes nothing.

        Returns:
            As `standard_scaler` of all rows so far gives it.
        """
        deviation = jnp.sqrt(self.squares / jnp.maximum(self.rows, 1))
        return Scaler(self.mean, _spread(jnp, deviation, self.mean))


def _checked(x: Any) -> tuple[Any, Any]:
    """Rows of real numbers, and the module that computes with them: numpy in float64, or JAX."""
    if isinstance(x, jax.core.Tracer):
        return x.astype(jnp.promote_types(x.dtype, jnp.float16)), jnp
    check_leaf("scaler: x", x)
    if np.iscomplexobj(x):
        raise TypeError("scaler: x: expected real numbers, got complex ones")
    if isinstance(x, jax.Array):
        return x.astype(jnp.promote_types(x.dtype, jnp.float16)), jnp
    return x.astype(np.float64), np


_ROUNDING = 16
"""By so many units in the last place of its values a constant feature seems to vary."""


def _spread(xp: Any, spread: Any, size: Any) -> Any:
    """The spread of each feature, 1 where it is no more than the rounding of its values."""
    rounding = _ROUNDING * xp.finfo(spread.dtype).eps * abs(size)
    return xp.where(spread > rounding, spread, 1)
