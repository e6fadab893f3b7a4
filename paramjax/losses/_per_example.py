"""Losses per example of classes: cross-entropies, sharp and smoothed."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from paramjax._checks import check_scalar
from paramjax._types import Array
from paramjax.losses._errors import PerExample, inexact
from paramjax.metrics._accuracy import check_class_shapes, check_one_each


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
    z = inexact(logits.reshape(-1))
    y = labels.reshape(-1).astype(z.dtype)
    loss = jax.nn.softplus(z) - y * z
    return jnp.where((y >= 0) & (y <= 1), loss, jnp.nan)


def cross_entropy(logits: Array, labels: Array) -> Array:
    r"""$$\ell_i = \log\sum_k e^{z_{ik}} - z_{i,y_i} = -\log p_{i,y_i}$$
    with $p$ the softmax of the logits; of labels that are probabilities $q$,
    $-\sum_k q_{ik} \log p_{ik}$.

    Args:
        logits: [batch, classes] of two classes or more, or [batch, ..., classes] with a label
            at each position, such as the characters of a text.
        labels: Integers [batch, ...] from 0 to classes - 1; or probabilities of the shape of the
            logits, such as those of `pj.data.mixup`. A label outside gives NaN on the device
            (`data.table` raises for it on the host), as do probabilities that are negative or do
            not sum to 1 within a hundredth.

    Returns:
        [batch, ...].

    Raises:
        ValueError: If the shapes do not match.
        TypeError: If labels [batch, ...] are not integers.

    Example:
        >>> cross_entropy(jnp.zeros((1, 4)), jnp.array([2])).tolist()
        [1.3863]
        >>> cross_entropy(jnp.zeros((1, 4)), jnp.array([[0.1, 0.9, 0.0, 0.0]])).tolist()
        [1.3863]
    """
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    if _are_probabilities(logits, labels):
        return _of_probabilities(logits, labels)
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


def _are_probabilities(logits: Array, labels: Array) -> bool:
    """Whether labels are one number for each class, not one of the classes."""
    classes = logits.shape[-1] if logits.ndim > 1 else 1
    is_float = jnp.issubdtype(labels.dtype, jnp.floating)
    return bool(classes > 1 and is_float and labels.shape == logits.shape)


def _of_probabilities(logits: Array, labels: Array) -> Array:
    """The cross-entropy of a distribution over the classes."""
    z = inexact(logits)
    q = labels.astype(z.dtype)
    # a class of probability 0 may have a logit of minus infinity
    loss = -jnp.where(q == 0, 0, q * jax.nn.log_softmax(z)).sum(axis=-1)
    total = labels.sum(axis=-1, dtype=jnp.promote_types(labels.dtype, jnp.float32))
    valid = (labels >= 0).all(axis=-1) & (jnp.abs(total - 1) < 0.01)
    return jnp.where(valid, loss, jnp.nan)


def smoothed_binary_cross_entropy(epsilon: float | Array) -> PerExample:
    r"""Binary cross-entropy against labels that are drawn towards one half.

    $$\ell_i = \log(1 + e^{z_i}) - \tilde y_i z_i,\quad
      \tilde y_i = (1-\epsilon)\,y_i + \frac{\epsilon}{2}$$
    which is `smoothed_cross_entropy` of two classes (Szegedy et al., 2016, Rethinking the
    Inception architecture, section 7).

    Args:
        epsilon: The probability that is spread evenly over both classes, in [0, 1], or a traced
            scalar.

    Returns:
        `(logits, labels) -> [batch]`, as of `binary_cross_entropy`.

    Raises:
        TypeError: If epsilon is not a number.
        ValueError: If epsilon is outside [0, 1], or, at the first call, there is not one logit
            and one label for each example.

    Example:
        >>> smoothed_binary_cross_entropy(0.1)(jnp.array([2.0]), jnp.array([1])).tolist()
        [0.2269]
    """
    check_scalar("smoothed_binary_cross_entropy: epsilon", epsilon, high=1.0)

    def per_example(logits: Array, labels: Array) -> Array:
        logits = jnp.asarray(logits)
        sharp = binary_cross_entropy(logits, labels)
        even = binary_cross_entropy(logits, jnp.full(logits.shape, 0.5))
        return (1 - epsilon) * sharp + epsilon * even

    return per_example


def smoothed_cross_entropy(epsilon: float | Array) -> PerExample:
    r"""$$\ell_i = -(1-\epsilon)\log p_{i,y_i} - \frac{\epsilon}{K}\sum_{k=1}^K \log p_{ik}$$
    with $p$ the softmax of the logits (Szegedy et al., 2016, Rethinking the Inception
    architecture, section 7), as `optax.smooth_labels` and
    `optax.losses.softmax_cross_entropy` give it together.

    Args:
        epsilon: The probability that is spread evenly over all K classes, in [0, 1], or a
            traced scalar.

    Returns:
        `(logits [batch, ..., classes], labels) -> [batch, ...]`, for `supervised`, of the labels
        that `cross_entropy` takes, integers or probabilities.

    Raises:
        TypeError: If epsilon is not a number, or, at the first call, labels [batch, ...] are not
            integers.
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
