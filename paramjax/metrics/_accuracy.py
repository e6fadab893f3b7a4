"""Accuracy, per example: 1 where the prediction is right, 0 elsewhere."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from paramjax._checks import check_count
from paramjax._types import Array


def accuracy(logits: Array, labels: Array) -> Array:
    """Whether the largest logit is the label's.

    Args:
        logits: [batch, classes], or [batch, ..., classes], of two classes or more.
        labels: Whole numbers [batch, ...].

    Returns:
        [batch, ...] of 0.0 and 1.0; 0.0 where a logit is NaN.

    Raises:
        ValueError: If the shapes do not match; (batch,) against (batch, 1) would broadcast to
            batch x batch.

    Example:
        >>> accuracy(jnp.array([[0.1, 0.9], [0.8, 0.2]]), jnp.array([1, 1])).tolist()
        [1.0, 0.0]
    """
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    check_class_shapes("accuracy", logits, labels, instead="binary_accuracy")
    right = (logits.argmax(axis=-1) == labels) & jnp.isfinite(logits).all(axis=-1)
    return right.astype(jnp.float32)


def binary_accuracy(logits: Array, labels: Array) -> Array:
    """Whether the logit has the sign of the label.

    Args:
        logits: [batch] or [batch, 1].
        labels: 0 or 1, or probabilities between them, [batch] or [batch, 1].

    Returns:
        [batch] of 0.0 and 1.0; 0.0 where the logit is NaN or the label outside [0, 1].

    Raises:
        ValueError: If there is not one logit and one label for each example.

    Example:
        >>> binary_accuracy(jnp.array([-2.0, 3.0]), jnp.array([0, 0])).tolist()
        [1.0, 0.0]
    """
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    check_one_each("binary_accuracy", logits, labels, instead="accuracy")
    z, y = logits.reshape(-1), labels.reshape(-1)
    right = ((z > 0) == (y > 0.5)) & (y >= 0) & (y <= 1) & jnp.isfinite(z)
    return right.astype(jnp.float32)


def top_k_accuracy(logits: Array, labels: Array, k: int = 5) -> Array:
    """Whether the label's logit is among the k largest.

    Args:
        logits: [batch, classes], or [batch, ..., classes], of two classes or more.
        labels: Whole numbers [batch, ...].
        k: How many classes may be named, positive. Of equal logits, those of higher classes
            come first, as in scikit-learn's `top_k_accuracy_score`; in `accuracy` it is the
            lowest, as in `argmax`.

    Returns:
        [batch, ...] of 0.0 and 1.0; 0.0 where a logit is NaN or the label is none of the classes.

    Raises:
        TypeError: If k is not a whole number.
        ValueError: If k is less than 1, or the shapes do not match.

    Example:
        >>> logits = jnp.array([[0.1, 0.9, 0.5], [0.8, 0.2, 0.4]])
        >>> top_k_accuracy(logits, jnp.array([2, 1]), k=2).tolist()
        [1.0, 0.0]
    """
    check_count("top_k_accuracy: k", k)
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    check_class_shapes("top_k_accuracy", logits, labels, instead="binary_accuracy")
    classes = jax.lax.broadcasted_iota(jnp.int32, logits.shape, logits.ndim - 1)
    at = labels[..., None]
    own = jnp.where(classes == at, logits, -jnp.inf).max(axis=-1, keepdims=True)
    before = ((logits > own) | ((logits == own) & (classes > at))).sum(axis=-1)
    known = (classes == at).any(axis=-1) & jnp.isfinite(logits).all(axis=-1)
    return ((before < k) & known).astype(jnp.float32)


def check_class_shapes(who: str, logits: Array, labels: Array, *, instead: str) -> None:
    """Raise unless logits are [batch, ..., classes] and labels [batch, ...]."""
    got = f"got {jnp.shape(logits)} and {jnp.shape(labels)}"
    expected = f"{who}: expected logits [batch, classes] and integer labels [batch], {got}"
    if jnp.ndim(logits) < 2:
        raise ValueError(f"{expected}; give a single example an axis by logits[None]")
    if jnp.shape(labels) != jnp.shape(logits)[:-1]:
        if jnp.shape(labels) == jnp.shape(logits):
            raise ValueError(f"{expected}; of one-hot labels, take labels.argmax(-1)")
        raise ValueError(f"{expected}; drop an axis of one by labels.squeeze(-1)")
    if jnp.shape(logits)[-1] < 2:
        raise ValueError(f"{expected}; two classes told apart by one logit are for {instead}")


def check_one_each(who: str, logits: Array, labels: Array, *, instead: str) -> None:
    """Raise unless logits and labels are [batch] or [batch, 1]."""
    shapes = jnp.shape(logits), jnp.shape(labels)
    rows = {shape[:1] for shape in shapes}
    if len(rows) > 1 or rows == {()} or any(shape[1:] not in ((), (1,)) for shape in shapes):
        raise ValueError(
            f"{who}: expected one logit and one label per example, got {shapes[0]} and "
            f"{shapes[1]}; a logit for each class is for {instead}"
        )
