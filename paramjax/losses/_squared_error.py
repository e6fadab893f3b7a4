"""Squared error, per example."""

from __future__ import annotations

import jax.numpy as jnp

from paramjax._types import Array


def squared_error(predictions: Array, targets: Array) -> Array:
    r"""$$\ell_i = \frac{1}{d}\sum_j (\hat y_{ij} - y_{ij})^2$$

    Its mean over examples is the mean squared error.

    Args:
        predictions: [batch] or [batch, d].
        targets: The same shape; (batch,) against (batch, 1) is refused, because it would
            broadcast to batch x batch.

    Returns:
        [batch].

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> squared_error(jnp.array([1.0, 2.0]), jnp.array([0.0, 4.0])).tolist()
        [1.0, 4.0]
    """
    if predictions.shape != targets.shape:
        raise ValueError(
            f"squared_error: predictions {predictions.shape} and targets {targets.shape} must have "
            "one shape; reshape one of them, they would broadcast"
        )
    squares = jnp.square(predictions - targets)
    return squares.reshape(squares.shape[0], -1).mean(axis=1)
