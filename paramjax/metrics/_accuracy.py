"""Accuracy, per example: 1 where the prediction is right, 0 elsewhere."""

from __future__ import annotations

import jax.numpy as jnp

from paramjax._types import Array


def accuracy(logits: Array, labels: Array) -> Array:
    """Whether the largest logit is the label's.

    Args:
        logits: [batch, classes], or [batch, ..., classes].
        labels: Integers [batch, ...].

    Returns:
        [batch, ...] of 0.0 and 1.0; 0.0 where a logit is NaN.

    Example:
        >>> accuracy(jnp.array([[0.1, 0.9], [0.8, 0.2]]), jnp.array([1, 1])).tolist()
        [1.0, 0.0]
    """
    right = (logits.argmax(axis=-1) == labels) & jnp.isfinite(logits).all(axis=-1)
    return right.astype(jnp.float32)


def binary_accuracy(logits: Array, labels: Array) -> Array:
    """Whether the logit has the sign of the label.

    Args:
        logits: [batch] or [batch, 1].
        labels: 0 or 1, [batch] or [batch, 1].

    Returns:
        [batch] of 0.0 and 1.0; 0.0 where the logit is NaN.

    Example:
        >>> binary_accuracy(jnp.array([-2.0, 3.0]), jnp.array([0, 0])).tolist()
        [1.0, 0.0]
    """
    z, y = logits.reshape(-1), labels.reshape(-1)
    return ((z > 0) == (y > 0.5)).astype(jnp.float32) * jnp.isfinite(z)
