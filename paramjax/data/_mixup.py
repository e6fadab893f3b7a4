"""Mixup: examples and their labels are averaged in pairs."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_count, check_scalar
from paramjax._types import Array, Batch, Key
from paramjax.data._augment import Augment, inputs_of


def mixup(alpha: float | Array, num_classes: int | None = None) -> Augment:
    r"""$$\tilde x_i = \lambda_i x_i + (1 - \lambda_i) x_{\pi(i)}, \quad
    \tilde y_i = \lambda_i y_i + (1 - \lambda_i) y_{\pi(i)}, \quad
    \lambda_i \sim \mathrm{Beta}(\alpha, \alpha)$$
    with a random permutation $\pi$ of the batch (Zhang et al., 2018, "mixup: beyond empirical
    risk minimization", section 2), and a weight for each pair.

    Class labels become probabilities [batch, classes], which `optax.softmax_cross_entropy` takes
    as a loss per example; `pj.losses.cross_entropy` and `pj.metrics.accuracy` take integers, of
    data that is not mixed.

    Args:
        alpha: Positive, or a traced scalar; 0.1 to 0.4 on images, 1 mixes evenly.
        num_classes: Number of classes of integer labels, at least 2; None for targets that are
            numbers or probabilities already.

    Returns:
        An augmentation of `batch["x"]` and `batch["y"]`; other entries stay as they are.

    Raises:
        TypeError: At the first call, if labels are integers without `num_classes`, or the
            reverse.
        ValueError: If alpha is not positive, or there are fewer than 2 classes.

    Example:
        >>> batch = {"x": jnp.eye(2), "y": jnp.array([0, 1])}
        >>> mixed = mixup(1.0, num_classes=2)(jax.random.key(1), batch)
        >>> mixed["y"].shape, bool(jnp.allclose(mixed["x"], mixed["y"]))
        ((2, 2), True)
    """
    check_scalar("mixup: alpha", alpha)
    if not isinstance(alpha, jax.core.Tracer) and float(alpha) == 0:
        raise ValueError("mixup: alpha: expected a positive number, got 0; leave mixup out")
    if num_classes is not None:
        check_count("mixup: num_classes", num_classes, least=2)

    def augment(key: Key, batch: Batch) -> Batch:
        x, y = inputs_of("mixup", batch, None), _targets(batch, num_classes)
        pair_key, share_key = jax.random.split(key)
        pair = jax.random.permutation(pair_key, len(x))
        share = jax.random.beta(share_key, alpha, alpha, (len(x),))
        return {**batch, "x": _mixed(x, pair, share), "y": _mixed(y, pair, share)}

    return augment


def _targets(batch: Any, num_classes: int | None) -> Array:
    """Targets that can be averaged."""
    y = jnp.asarray(batch["y"])
    if jnp.issubdtype(y.dtype, jnp.floating) and num_classes is None:
        return y
    if num_classes is None or not jnp.issubdtype(y.dtype, jnp.integer):
        raise TypeError(
            f"mixup: expected integer labels with num_classes=, or floats without it, got {y.dtype}"
            f" and num_classes={num_classes}"
        )
    return jax.nn.one_hot(y, num_classes)


def _mixed(values: Array, pair: Array, share: Array) -> Array:
    dtype = jnp.promote_types(values.dtype, jnp.float16)
    own = share.astype(dtype).reshape(-1, *[1] * (values.ndim - 1))
    return own * values + (1 - own) * values[pair]
