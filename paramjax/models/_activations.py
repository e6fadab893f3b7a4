"""Activation functions by name."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from paramjax._checks import nearest
from paramjax._types import Array

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda x: x,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
}


def activation(name: str) -> Callable[[Array], Array]:
    """The activation function of that name.

    Args:
        name: identity, relu, sigmoid, tanh, gelu or silu.

    Returns:
        An elementwise function.

    Raises:
        ValueError: For an unknown name, with the nearest known ones.

    Example:
        >>> float(activation("relu")(jnp.float32(-1.0)))
        0.0
    """
    if name not in ACTIVATIONS:
        raise ValueError(nearest(name, ACTIVATIONS, what="activation"))
    return ACTIVATIONS[name]
