"""Cross-entropy, binary and categorical, per example and from logits."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from paramjax._types import Array


def binary_cross_entropy(logits: Array, labels: Array) -> Array:
    r"""$$\ell_i = \log(1 + e^{z_i}) - y_i z_i = -y_i\log p_i - (1 - y_i)\log(1 - p_i)$$
    with $p = \sigma(z)$ (Cox, 1958).

    Args:
        logits: [batch] or [batch, 1].
        labels: In [0, 1], [batch] or [batch, 1]; 0 and 1, or probabilities between.
            A label outside gives NaN, because the loss would have no minimum.

    Returns:
        [batch].

    Raises:
        ValueError: If there is more than one logit an example or the lengths differ.

    Example:
        >>> binary_cross_entropy(jnp.zeros(2), jnp.array([0, 1])).tolist()
        [0.6931, 0.6931]
    """
    if logits.size != logits.shape[0] or labels.size != logits.shape[0]:
        raise ValueError(
            f"binary_cross_entropy: expected one logit and one label an example, got "
            f"{logits.shape} and {labels.shape}"
        )
    z = logits.reshape(-1)
    y = labels.reshape(-1).astype(z.dtype)
    loss = jax.nn.softplus(z) - y * z
    return jnp.where((y >= 0) & (y <= 1), loss, jnp.nan)


def cross_entropy(logits: Array, labels: Array) -> Array:
    r"""$$\ell_i = \log\sum_k e^{z_{ik}} - z_{i,y_i}$$

    Args:
        logits: [batch, classes], or [batch, ..., classes] with a class at each place, such as
            the characters of a text.
        labels: Integers [batch, ...] from 0 to classes - 1. One outside gives NaN on the
            device; `data.table` refuses it on the host, where it can be named.

    Returns:
        [batch, ...].

    Raises:
        ValueError: If the shapes do not fit.
        TypeError: If the labels are not integers.

    Example:
        >>> cross_entropy(jnp.zeros((1, 4)), jnp.array([2])).tolist()
        [1.3863]
    """
    if logits.ndim < 2 or labels.shape != logits.shape[:-1]:
        raise ValueError(
            "cross_entropy: expected logits [batch, classes] and integer labels [batch], got "
            f"{logits.shape} and {labels.shape}"
        )
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise TypeError(f"cross_entropy: expected integer labels, got {labels.dtype}")
    inside = (labels >= 0) & (labels < logits.shape[-1])
    chosen = jnp.take_along_axis(logits, jnp.where(inside, labels, 0)[..., None], axis=-1)[..., 0]
    loss = jax.nn.logsumexp(logits, axis=-1) - chosen
    return jnp.where(inside, loss, jnp.nan)
