"""Losses per example of numbers: squared, absolute, Huber, quantiles, and Poisson counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax.numpy as jnp

from paramjax._checks import check_scalar
from paramjax._types import Array

PerExample = Callable[[Array, Array], Array]
"""`(outputs, targets) -> [batch]`."""


def squared_error(predictions: Array, targets: Array) -> Array:
    r"""$$\ell_i = \frac{1}{d}\sum_j |\hat y_{ij} - y_{ij}|^2$$

    Its mean over examples is the mean squared error.

    Args:
        predictions: [batch] or [batch, d].
        targets: The same shape; (batch,) against (batch, 1) would broadcast to batch x batch.

    Returns:
        [batch].

    Raises:
        ValueError: If the shapes differ, or there is no axis of examples.

    Example:
        >>> squared_error(jnp.array([1.0, 2.0]), jnp.array([0.0, 4.0])).tolist()
        [1.0, 4.0]
    """
    difference = _difference("squared_error", predictions, targets)
    squares = jnp.square(difference.real)
    if jnp.iscomplexobj(difference):
        squares += jnp.square(difference.imag)
    return _mean_of_outputs(squares)


def absolute_error(predictions: Array, targets: Array) -> Array:
    r"""$$\ell_i = \frac{1}{d}\sum_j |\hat y_{ij} - y_{ij}|$$

    Its minimum over a constant is the median, which outliers do not move (Laplace, 1774). The
    gradient where both are equal is taken as 0.

    Args:
        predictions: [batch] or [batch, d], real.
        targets: The same shape; (batch,) against (batch, 1) would broadcast to batch x batch.

    Returns:
        [batch].

    Raises:
        TypeError: If the numbers are complex.
        ValueError: If the shapes differ, or there is no axis of examples.

    Example:
        >>> absolute_error(jnp.array([1.0, 2.0]), jnp.array([0.0, 4.0])).tolist()
        [1.0, 2.0]
    """
    return _mean_of_outputs(jnp.abs(_real_difference("absolute_error", predictions, targets)))


def huber(predictions: Array, targets: Array, delta: float | Array = 1.0) -> Array:
    r"""Squared for small errors, absolute for large ones (Huber, 1964).

    $$\ell_i = \frac{1}{d}\sum_j \begin{cases} \tfrac12 r_{ij}^2 & |r_{ij}| \le \delta \\
      \delta\,(|r_{ij}| - \tfrac12\delta) & \text{otherwise} \end{cases}$$
    with $r = \hat y - y$. The gradient is that of half a squared error, clipped to
    $[-\delta, \delta]$.

    Args:
        predictions: [batch] or [batch, d], real.
        targets: The same shape; (batch,) against (batch, 1) would broadcast to batch x batch.
        delta: The error from which on the loss is linear, in the unit of the targets, from 0, or
            a traced scalar. `functools.partial(huber, delta=0.5)` serves `supervised`.

    Returns:
        [batch].

    Raises:
        TypeError: If delta is not a number, or the numbers are complex.
        ValueError: If delta is negative, the shapes differ, or there is no axis of examples.

    Example:
        >>> huber(jnp.array([0.5, 3.0]), jnp.zeros(2)).tolist()
        [0.125, 2.5]
    """
    check_scalar("huber: delta", delta)
    size = jnp.abs(_real_difference("huber", predictions, targets))
    delta = jnp.asarray(delta, size.dtype)
    small = jnp.minimum(size, delta)
    return _mean_of_outputs(small * (0.5 * small) + delta * (size - small))


def pinball(
    predictions: Array, targets: Array, quantile: float | Array | Sequence[float | Array] = 0.5
) -> Array:
    r"""The loss whose minimum is a quantile (Koenker and Bassett, 1978, Regression quantiles).

    $$\ell_i = \frac{1}{d}\sum_j \max\bigl(q_j\,(y_i - \hat y_{ij}),\;
      (q_j - 1)\,(y_i - \hat y_{ij})\bigr)$$
    At one half it is half of the absolute error.

    Args:
        predictions: [batch], or [batch, d] for d quantiles, real.
        targets: [batch].
        quantile: A number from 0 to 1, or d of them: (0.05, 0.95), bound by `functools.partial`,
            trains the two outputs that `pj.estimate.quantile_score` takes.

    Returns:
        [batch].

    Raises:
        TypeError: If the quantile is not a number, or the numbers are complex.
        ValueError: If a quantile lies outside [0, 1], or the shapes do not match.

    Example:
        >>> pinball(jnp.array([0.0, 0.0]), jnp.array([1.0, -1.0]), 0.75).tolist()
        [0.75, 0.25]
    """
    levels = tuple(quantile) if isinstance(quantile, Sequence) else (quantile,)
    for level in levels:
        check_scalar("pinball: quantile", level, high=1.0)
    several = isinstance(quantile, Sequence)
    wanted = (*jnp.shape(targets), *((len(levels),) if several else ()))
    if jnp.ndim(targets) != 1 or jnp.shape(predictions) != wanted:
        raise ValueError(
            "pinball: expected targets [batch] and predictions [batch], or [batch, d] of d "
            f"quantiles, got {jnp.shape(targets)} and {jnp.shape(predictions)} of "
            f"{len(levels)} quantiles"
        )
    own = jnp.broadcast_to(jnp.asarray(targets)[:, None], wanted) if several else targets
    under = -_real_difference("pinball", predictions, own)
    shares = jnp.stack([jnp.asarray(level, under.dtype) for level in levels])
    shares = shares[None, :] if several else shares
    return _mean_of_outputs(jnp.maximum(shares * under, (shares - 1) * under))


def poisson(log_rates: Array, counts: Array) -> Array:
    r"""$$\ell_i = \frac{1}{d}\sum_j e^{z_{ij}} - y_{ij} z_{ij}$$

    The negative log likelihood of counts with rates $e^z$, without the constant $\log y!$
    (Nelder and Wedderburn, 1972). Minus its minimum over z it is half of scikit-learn's
    `mean_poisson_deviance`.

    Args:
        log_rates: Logarithms of the rates, [batch] or [batch, d]. A rate that overflows, from
            89 in float32, is infinite, and so is its loss.
        counts: The same shape, from 0; a negative one gives NaN. They need not be whole, such as
            counts over exposure.

    Returns:
        [batch].

    Raises:
        TypeError: If the numbers are complex.
        ValueError: If the shapes differ, or there is no axis of examples.

    Example:
        >>> poisson(jnp.zeros(2), jnp.array([0, 3])).tolist()
        [1.0, 1.0]
    """
    log_rates, counts = _alike("poisson", log_rates, counts)
    _refuse_complex("poisson", log_rates, counts)
    z = inexact(log_rates)
    y = counts.astype(z.dtype)
    return _mean_of_outputs(jnp.where(y >= 0, jnp.exp(z) - y * z, jnp.nan))


def _alike(who: str, predictions: Array, targets: Array) -> tuple[Array, Array]:
    """Arrays of one shape with an axis of examples; raise for others."""
    predictions, targets = jnp.asarray(predictions), jnp.asarray(targets)
    if predictions.shape != targets.shape:
        raise ValueError(
            f"{who}: expected predictions and targets of one shape, got "
            f"{predictions.shape} and {targets.shape}, which may broadcast; reshape one of them"
        )
    if predictions.ndim == 0:
        raise ValueError(f"{who}: expected predictions [batch, ...], got one number")
    return predictions, targets


def _difference(who: str, predictions: Array, targets: Array) -> Array:
    predictions, targets = _alike(who, predictions, targets)
    # integers would wrap around below 0
    return inexact(predictions) - inexact(targets)


def _real_difference(who: str, predictions: Array, targets: Array) -> Array:
    _refuse_complex(who, predictions, targets)
    return _difference(who, predictions, targets)


def _refuse_complex(who: str, *arrays: Array) -> None:
    if any(map(jnp.iscomplexobj, arrays)):
        raise TypeError(f"{who}: expected real numbers, got complex ones; pass both parts apart")


def _mean_of_outputs(values: Array) -> Array:
    """The mean over all axes but the first, that of examples."""
    return values.mean(axis=tuple(range(1, values.ndim)))


def inexact(array: Array) -> Array:
    """Integers and booleans as float32, or as float64 where JAX makes them so."""
    return array if jnp.issubdtype(array.dtype, jnp.inexact) else array.astype(float)
