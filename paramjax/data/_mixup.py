"""Mixup: examples and their labels are averaged in pairs."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_count, check_key, check_scalar
from paramjax._types import Array, Batch, Key
from paramjax.data._augment import Augment, inputs_of


def mixup(alpha: float | Array, num_classes: int | None = None) -> Augment:
    r"""$$\tilde x_i = \lambda_i x_i + (1 - \lambda_i) x_{\pi(i)}, \quad
    \tilde y_i = \lambda_i y_i + (1 - \lambda_i) y_{\pi(i)}, \quad
    \lambda_i \sim \mathrm{Beta}(\alpha, \alpha)$$
    with a random permutation $\pi$ of the batch (Zhang et al., 2018, "mixup: beyond empirical
    risk minimization", section 2), and a weight for each pair.

    Class labels become probabilities [batch, classes], which `pj.losses.cross_entropy` takes as
    it takes integers; `pj.metrics.accuracy` is of data that is not mixed. Of two classes told
    apart by one logit, make the labels floats: `pj.losses.binary_cross_entropy` takes their mean.

    Args:
        alpha: Positive, or a traced scalar; 0.1 to 0.4 on images, 1 mixes evenly.
        num_classes: Number of classes of integer labels, at least 2; None for targets that are
            numbers or probabilities already. A label outside becomes probabilities of 0, for
            which the loss is NaN.

    Returns:
        An augmentation of `batch["x"]` and `batch["y"]`; other entries stay as they are.

    Raises:
        TypeError: At the first call, if the batch has no `x` and `y`, or labels are integers
            without `num_classes`, or the reverse.
        ValueError: If alpha is not positive, there are fewer than 2 classes, or, at the first
            call, `x` and `y` differ in length.

    Example:
        >>> batch = {"x": jnp.eye(2), "y": jnp.array([0, 1])}
        >>> mixed = jax.jit(mixup(1.0, num_classes=2))(jax.random.key(1), batch)
        >>> mixed["y"].shape, bool(jnp.allclose(mixed["x"], mixed["y"]))
        ((2, 2), True)
    """
    check_scalar("mixup: alpha", alpha)
    if not isinstance(alpha, jax.core.Tracer) and float(alpha) == 0:
        raise ValueError("mixup: alpha: expected a positive number, got 0; leave mixup out")
    if num_classes is not None:
        check_count("mixup: num_classes", num_classes, least=2)

    def augment(key: Key, batch: Batch) -> Batch:
        check_key(key)
        x = inputs_of("mixup", batch, None)
        y = _targets(batch, num_classes, len(x))
        pair_key, share_key = jax.random.split(key)
        pair = jax.random.permutation(pair_key, len(x))
        share = jax.random.beta(share_key, alpha, alpha, (len(x),))
        return {**batch, "x": _mixed(x, pair, share), "y": _mixed(y, pair, share)}

    return augment


def _targets(batch: Any, num_classes: int | None, rows: int) -> Array:
    """Targets that can be averaged."""
    if "y" not in batch:
        raise TypeError(f'mixup: expected a batch {{"x": inputs, "y": targets}}, got {list(batch)}')
    y = jnp.asarray(batch["y"])
    if y.shape[:1] != (rows,):
        raise ValueError(f"mixup: expected a target for each of {rows} rows, got shape {y.shape}")
    whole = jnp.issubdtype(y.dtype, jnp.integer) or y.dtype == jnp.bool_
    if whole and num_classes is None:
        raise TypeError(
            f"mixup: expected num_classes= for integer labels, got {y.dtype}; of two classes told "
            "apart by one logit, pass y.astype(jnp.float32) instead"
        )
    if not whole and num_classes is not None:
        raise TypeError(
            f"mixup: expected integer labels with num_classes={num_classes}, got {y.dtype}; leave "
            "num_classes out if they are numbers or probabilities"
        )
    return y if num_classes is None else jax.nn.one_hot(y.astype(jnp.int32), num_classes)


def _mixed(values: Array, pair: Array, share: Array) -> Array:
    dtype = jnp.promote_types(values.dtype, jnp.float16)
    own = share.astype(dtype).reshape(-1, *[1] * (values.ndim - 1))
    return own * values + (1 - own) * values[pair]
