"""Losses per example: squared error and cross-entropies."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from paramjax._checks import check_scalar
from paramjax._types import Array
from paramjax.metrics._accuracy import check_class_shapes, check_one_each

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
    predictions, targets = jnp.asarray(predictions), jnp.asarray(targets)
    if predictions.shape != targets.shape:
        raise ValueError(
            "squared_error: expected predictions and targets of one shape, got "
            f"{predictions.shape} and {targets.shape}, which may broadcast; reshape one of them"
        )
    if predictions.ndim == 0:
        raise ValueError("squared_error: expected predictions [batch, ...], got one number")
    # integers would wrap around below 0
    difference = _inexact(predictions) - _inexact(targets)
    squares = jnp.square(difference.real)
    if jnp.iscomplexobj(difference):
        squares += jnp.square(difference.imag)
    return squares.mean(axis=tuple(range(1, squares.ndim)))


def binary_cross_entropy(logits: Array, labels: Array) -> Array:
    r"""$$\ell_i = \log(1 + e^{z_i}) - y_i z_i = -y_i\log p_i - (1 - y_i)\log(1 - p_i)$$
    with $p = \sigma(z)$ (Cox, 1958).

    Args:
        logits: [batch] or [batch, 1].
        labels: [batch] or [batch, 1], 0 and 1 or probabilities between them. A label outside
            [0, 1] gives NaN, because the loss would have no minimum.

    Returns:
        [batch].

    Raises:
        ValueError: If there is not one logit and one label for each example.

    Example:
        >>> binary_cross_entropy(jnp.zeros(2), jnp.array([0, 1])).tolist()
        [0.6931, 0.6931]
    """
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    check_one_each("binary_cross_entropy", logits, labels, instead="cross_entropy")
    z = _inexact(logits.reshape(-1))
    y = labels.reshape(-1).astype(z.dtype)
    loss = jax.nn.softplus(z) - y * z
    return jnp.where((y >= 0) & (y <= 1), loss, jnp.nan)


def cross_entropy(logits: Array, labels: Array) -> Array:
    r"""$$\ell_i = \log\sum_k e^{z_{ik}} - z_{i,y_i}$$

    Args:
        logits: [batch, classes] of two classes or more, or [batch, ..., classes] with a label
            at each position, such as the characters of a text.
        labels: Integers [batch, ...] from 0 to classes - 1. A label outside gives NaN on the
            device; `data.table` raises for it on the host.

    Returns:
        [batch, ...].

    Raises:
        ValueError: If the shapes do not match.
        TypeError: If the labels are not integers.

    Example:
        >>> cross_entropy(jnp.zeros((1, 4)), jnp.array([2])).tolist()
        [1.3863]
    """
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    check_class_shapes("cross_entropy", logits, labels, instead="binary_cross_entropy")
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise TypeError(
            f"cross_entropy: expected integer labels, got {labels.dtype}; pass "
            "labels.astype(jnp.int32) if they are whole numbers"
        )
    # a number of classes beyond the range of small integers would wrap in a comparison with them
    labels = labels.astype(jnp.promote_types(labels.dtype, jnp.int32))
    inside = (labels >= 0) & (labels < logits.shape[-1])
    chosen = jnp.take_along_axis(logits, jnp.where(inside, labels, 0)[..., None], axis=-1)[..., 0]
    loss = jax.nn.logsumexp(logits, axis=-1) - chosen
    return jnp.where(inside, loss, jnp.nan)


def smoothed_cross_entropy(epsilon: float | Array) -> PerExample:
    r"""$$\ell_i = -(1-\epsilon)\log p_{i,y_i} - \frac{\epsilon}{K}\sum_{k=1}^K \log p_{ik}$$
    with $p$ the softmax of the logits (Szegedy et al., 2016, Rethinking the Inception
    architecture, section 7), as `optax.smooth_labels` and
    `optax.losses.softmax_cross_entropy` give it together.

    Args:
        epsilon: The probability that is spread evenly over all K classes, in [0, 1], or a
            traced scalar.

    Returns:
        `(logits [batch, ..., classes], integer labels [batch, ...]) -> [batch, ...]`, for
        `supervised`. As in `cross_entropy`, a label out of range gives NaN.

    Raises:
        TypeError: If epsilon is not a number, or, at the first call, labels are not integers.
        ValueError: If epsilon is outside [0, 1], or, at the first call, the shapes do not
            match.

    Example:
        >>> logits, labels = jnp.array([[2.0, 0.0]]), jnp.array([0])
        >>> smoothed_cross_entropy(0.1)(logits, labels).tolist()
        [0.2269]
    """
    check_scalar("smoothed_cross_entropy: epsilon", epsilon, high=1.0)

    def per_example(logits: Array, labels: Array) -> Array:
        logits = jnp.asarray(logits)
        sharp = cross_entropy(logits, labels)
        even = jax.nn.logsumexp(logits, axis=-1) - logits.mean(axis=-1)
        return (1 - epsilon) * sharp + epsilon * even

    return per_example


def _inexact(array: Array) -> Array:
    """Integers and booleans as float32, or as float64 where JAX makes them so."""
    return array if jnp.issubdtype(array.dtype, jnp.inexact) else array.astype(float)
