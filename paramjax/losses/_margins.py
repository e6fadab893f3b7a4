"""Losses per example for other ends than likelihood: margins (hinge) and hard rows (focal)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_scalar
from paramjax._types import Array
from paramjax.losses._errors import inexact
from paramjax.metrics._classes import check_logits, is_one_logit


def hinge(logits: Array, labels: Array) -> Array:
    r"""How far a row is from the right side of the margin.

    $$\ell_i = \max(0,\, 1 - s_i z_i)$$
    of one logit, with $s = 2y - 1$; with `l2` a support vector machine (Cortes and Vapnik,
    1995). Of two classes or more
    $$\ell_i = \max(0,\, 1 + \max_{k \ne y_i} z_{ik} - z_{i,y_i})$$
    (Crammer and Singer, 2001).

    Args:
        logits: [batch] or [batch, 1]; or [batch, ..., classes].
        labels: 0 and 1, not -1 and 1; or integers [batch, ...] from 0 to classes - 1. Any other
            label gives NaN, and so does a logit that is not finite.

    Returns:
        [batch, ...].

    Raises:
        TypeError: If labels of several logits are not integers.
        ValueError: If the shapes do not match.

    Example:
        >>> hinge(jnp.array([2.0, 0.5, -1.0]), jnp.array([1, 1, 1])).tolist()
        [0.0, 0.5, 2.0]
        >>> hinge(jnp.array([[1.0, 3.0, 2.5]]), jnp.array([1])).tolist()
        [0.5]
    """
    return _beyond_margin("hinge", logits, labels)


def squared_hinge(logits: Array, labels: Array) -> Array:
    r"""The square of `hinge`, whose gradient has no jump.

    $$\ell_i = \max(0,\, 1 - s_i z_i)^2$$
    (Fan et al., 2008, LIBLINEAR), the loss of scikit-learn's `LinearSVC`.

    Args:
        logits: As of `hinge`.
        labels: As of `hinge`.

    Returns:
        [batch, ...].

    Raises:
        TypeError: If labels of several logits are not integers.
        ValueError: If the shapes do not match.

    Example:
        >>> squared_hinge(jnp.array([2.0, 0.5, -1.0]), jnp.array([1, 1, 1])).tolist()
        [0.0, 0.25, 4.0]
    """
    return jnp.square(_beyond_margin("squared_hinge", logits, labels))


def focal(
    logits: Array, labels: Array, gamma: float | Array = 2.0, alpha: float | Array | None = None
) -> Array:
    r"""Cross-entropy that counts a row the less, the better it is predicted.

    $$\ell_i = -\alpha_{y_i}\,(1 - p_{i,y_i})^\gamma \log p_{i,y_i}$$
    (Lin et al., 2017, Focal loss for dense object detection, equation 5), with p the sigmoid of
    one logit or the softmax of several.

    Args:
        logits: [batch] or [batch, 1]; or [batch, ..., classes].
        labels: 0 and 1; or integers [batch, ...] from 0 to classes - 1. Any other label gives
            NaN, and so does a logit that is not finite.
        gamma: From 0, which is cross-entropy, or a traced scalar.
            `functools.partial(focal, gamma=1.0)` serves `supervised`.
        alpha: Of one logit the weight of class 1, and one minus it that of class 0; or a weight
            for each class, [classes]. None weights all alike. Lin et al. found 0.25 best with a
            gamma of 2.

    Returns:
        [batch, ...].

    Raises:
        TypeError: If gamma is not a number, or labels of several logits are not integers.
        ValueError: If gamma is negative, alpha is not in [0, 1] or not of the classes, or the
            shapes do not match.

    Example:
        >>> focal(jnp.array([0.0, 4.0]), jnp.array([1, 1])).tolist()
        [0.1733, 0.0]
        >>> focal(jnp.zeros((1, 2)), jnp.array([1])).tolist()
        [0.1733]
    """
    check_scalar("focal: gamma", gamma)
    margin, known = _margin("focal", logits, labels, _log_sum_exp)
    hardness = jnp.exp(jnp.asarray(gamma, margin.dtype) * jax.nn.log_sigmoid(-margin))
    loss = hardness * jax.nn.softplus(-margin)  # p is the sigmoid of the margin
    if alpha is not None:
        loss = loss * _class_weights(alpha, jnp.shape(logits), jnp.asarray(labels), loss.dtype)
    return jnp.where(known, loss, jnp.nan)


def _largest(logits: Array, where: Array) -> Array:
    return jnp.max(logits, axis=-1, where=where, initial=-jnp.inf)


def _log_sum_exp(logits: Array, where: Array) -> Array:
    return jax.nn.logsumexp(logits, axis=-1, where=where)


def _beyond_margin(who: str, logits: Array, labels: Array) -> Array:
    margin, known = _margin(who, logits, labels, _largest)
    return jnp.where(known, jnp.maximum(0, 1 - margin), jnp.nan)


def _margin(
    who: str, logits: Array, labels: Array, of_others: Callable[[Array, Array], Array]
) -> tuple[Array, Array]:
    """The logit of the label minus that of the other classes, and whether both are known."""
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    check_logits(who, logits, labels)
    z = inexact(logits)
    if is_one_logit(logits):
        z, y = z.reshape(-1), labels.reshape(-1)
        return jnp.where(y == 1, z, -z), ((y == 0) | (y == 1)) & jnp.isfinite(z)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise TypeError(
            f"{who}: expected integer labels, got {labels.dtype}; pass labels.astype(jnp.int32) "
            "if they are whole numbers"
        )
    classes = jax.lax.broadcasted_iota(jnp.int32, z.shape, z.ndim - 1)
    own = classes == labels[..., None]
    chosen = jnp.where(own, z, 0).sum(axis=-1)
    return chosen - of_others(z, ~own), own.any(axis=-1) & jnp.isfinite(z).all(axis=-1)


def _class_weights(
    alpha: float | Array, shape: tuple[int, ...], labels: Array, dtype: Any
) -> Array:
    """The weight of the class of each row."""
    one = len(shape) == 1 or shape[1:] == (1,)
    classes = 2 if one else shape[-1]
    if one and jnp.shape(alpha) == ():
        check_scalar("focal: alpha", alpha, high=1.0)
        alpha = jnp.stack([1 - jnp.asarray(alpha, dtype), jnp.asarray(alpha, dtype)])
    elif jnp.shape(alpha) != (classes,):
        raise ValueError(
            f"focal: alpha: expected a weight for each of the {classes} classes, got shape "
            f"{jnp.shape(alpha)}"
        )
    labels = labels.reshape(-1) if one else labels
    return jnp.asarray(alpha, dtype)[labels.astype(jnp.int32)]
