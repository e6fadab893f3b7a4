"""How much of the variance of a target is explained."""

from __future__ import annotations

import jax.numpy as jnp

from paramjax._types import Array
from paramjax.metrics._sums import weight_of_rows, widened


def r_squared(predictions: Array, targets: Array, *, weight: Array | None = None) -> Array:
    r"""The coefficient of determination, averaged over outputs.

    $$1 - \frac{\sum_i w_i (y_i - \hat y_i)^2}{\sum_i w_i (y_i - \bar y)^2}$$
    It needs the whole set at once: see `in_batches`.

    Args:
        predictions: [batch] or [batch, d].
        targets: The same shape; (batch,) against (batch, 1) would broadcast to batch x batch.
        weight: [batch], from 0; None counts each row once.

    Returns:
        A scalar, 1 at best and below 0 where the mean predicts better, as scikit-learn's
        `r2_score`: of a constant target 1 if it is met exactly, otherwise 0. NaN of fewer than
        two rows.

    Raises:
        ValueError: If the shapes differ, or there is no axis of examples.

    Example:
        >>> float(r_squared(jnp.array([1.0, 2.0, 4.0]), jnp.array([1.0, 2.0, 3.0])))
        0.5
    """
    predictions, targets = jnp.asarray(predictions), jnp.asarray(targets)
    if predictions.shape != targets.shape or predictions.ndim == 0:
        raise ValueError(
            "r_squared: expected predictions and targets [batch, ...] of one shape, got "
            f"{predictions.shape} and {targets.shape}, which may broadcast; reshape one of them"
        )
    rows = len(targets)
    each = weight_of_rows("r_squared", weight, (rows,))
    if rows < 2:
        return jnp.full((), jnp.nan)
    guess, truth = (widened(array).reshape(rows, -1) for array in (predictions, targets))
    each = jnp.ones((rows, 1), truth.dtype) if each is None else each[:, None]
    centre = truth[:1]  # against cancellation where the mean is far from 0
    centred = truth - centre
    centred = centred - (each * centred).sum(axis=0, keepdims=True) / each.sum()
    unexplained = (each * jnp.square(truth - guess)).sum(axis=0)
    variance = (each * jnp.square(centred)).sum(axis=0)
    counted = each > 0
    constant = jnp.where(counted, truth, -jnp.inf).max(axis=0) == jnp.where(
        counted, truth, jnp.inf
    ).min(axis=0)
    perfect = jnp.where(unexplained == 0, 1.0, jnp.where(jnp.isnan(unexplained), jnp.nan, 0.0))
    explained = 1 - unexplained / jnp.where(constant, 1.0, variance)
    return jnp.where(constant, perfect, explained).mean()
