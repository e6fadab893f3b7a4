"""What follows a hidden layer: batch normalisation, activation, dropout; and checks of fields."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from paramjax._checks import check_array, check_count, check_rate
from paramjax._types import Array
from paramjax.models._names import activation


def normalised(x: Array, momentum: float, *, train: bool) -> Array:
    """By the batch's mean and variance in training, else by their running averages."""
    check_rate("momentum", momentum, high=1.0)
    y: Array = nn.BatchNorm(use_running_average=not train, momentum=momentum)(x)
    return y


def activated(model: Any, x: Array, *, train: bool) -> Array:
    """The activation that a model names, after batch normalisation where it asks for it."""
    if model.batch_norm:
        x = normalised(x, model.momentum, train=train)
    return activation(model.activation)(x)


def dropped(model: Any, x: Array, *, train: bool) -> Array:
    """Each number zero with probability `model.dropout`, else scaled to keep its mean.

    flax's own layer cannot have a traced rate, which a population over rates needs.
    """
    rate = model.dropout
    if not train or (not isinstance(rate, jax.core.Tracer) and rate == 0):
        return x
    kept = jax.random.bernoulli(model.make_rng("dropout"), 1 - rate, x.shape)
    return jnp.where(kept, x / (1 - rate), 0).astype(x.dtype)


def flattened(x: Array) -> Array:
    """Rows of all numbers of each example; the size is not left to reshape, for empty batches."""
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


def check_widths(name: str, widths: Sequence[int], *, least: int = 1) -> None:
    """Raise unless there are at least so many widths and all are whole numbers from 1."""
    if isinstance(widths, str) or not hasattr(widths, "__len__") or len(widths) < least:
        what = "at least one width, such as (64, 10)" if least else "widths, such as (64, 10) or ()"
        raise ValueError(f"{name}: expected {what}, got {widths!r}")
    for width in widths:
        check_count(name, width)


def check_dropout(rate: Any) -> None:
    """Raise unless a share that is dropped lies in [0, 1) or is traced."""
    check_rate("dropout", rate, high=1.0)


def check_images(x: Array, halvings: int) -> None:
    """Raise unless x is images whose sides can be halved so often."""
    check_array("x", x)
    if x.ndim != 4:
        raise ValueError(
            f"x: expected images [batch, height, width, channels], got shape {x.shape}; give grey "
            "images one channel by x[..., None]"
        )
    least = 2**halvings
    if min(x.shape[1:3]) < least:
        raise ValueError(
            f"x: expected images of at least {least} x {least} pixels, for their sides are halved "
            f"{halvings} times, got shape {x.shape}; build the model with fewer channels"
        )
