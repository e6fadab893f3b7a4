"""Small networks: linear, multilayer perceptrons, convolutional."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from paramjax._checks import nearest
from paramjax._types import Array
from paramjax.models._conv import Conv
from paramjax.models._dense import Dense
from paramjax.models._pooling import max_pool

_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
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
        ValueError: If the name is unknown; the message lists the nearest known ones.

    Example:
        >>> float(activation("relu")(jnp.float32(-1.0)))
        0.0
    """
    if name not in _ACTIVATIONS:
        raise ValueError(nearest(name, _ACTIVATIONS, what="activation"))
    return _ACTIVATIONS[name]


class Linear(nn.Module):
    """`x W + b`: linear regression, and the logits of logistic regression.

    Attributes:
        features: Number of outputs.
        zero_init: Whether to start at zero, as a convex problem should, or at LeCun normal
            numbers.

    Example:
        >>> params = Linear(1).init(jax.random.key(0), jnp.zeros((1, 3)))
        >>> Linear(1).apply(params, jnp.ones((5, 3))).shape
        (5, 1)
    """

    features: int
    zero_init: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map [batch, inputs] to [batch, features]."""
        if self.zero_init:
            return Dense(self.features, kernel_init=nn.initializers.zeros)(x)
        return Dense(self.features)(x)


class MLP(nn.Module):
    """Dense layers with an activation between them, none after the last.

    Attributes:
        features: Width of each layer; the last one is the number of outputs.
        activation: Name of the activation between layers, see `activation`.

    Raises:
        ValueError: On the first call, if the activation is unknown.

    Example:
        >>> model = MLP((64, 10), activation="relu")
        >>> params = model.init(jax.random.key(0), jnp.zeros((1, 64)))
        >>> model.apply(params, jnp.ones((5, 64))).shape
        (5, 10)
    """

    features: Sequence[int]
    activation: str = "relu"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map [batch, inputs] to [batch, features[-1]]."""
        between = activation(self.activation)
        for width in self.features[:-1]:
            x = between(Dense(width)(x))
        return Dense(self.features[-1])(x)


class BatchNormMLP(nn.Module):
    """Dense layers, each but the last followed by batch normalisation and an activation.

    Ioffe and Szegedy (2015). Training normalises by the mean and variance of the batch and keeps
    their running averages in the collection `batch_stats`; evaluation normalises by those.

    Attributes:
        features: Width of each layer; the last one is the number of outputs.
        activation: Name of the activation between layers, see `activation`.
        momentum: Share of the running average that a step keeps, in [0, 1).

    Raises:
        ValueError: On the first call, if the activation is unknown.

    Example:
        >>> model = BatchNormMLP((16, 10))
        >>> start = model.init(jax.random.key(0), jnp.zeros((1, 64)), train=False)
        >>> x = jnp.ones((5, 64))
        >>> logits, state = model.apply(start, x, train=True, mutable=["batch_stats"])
        >>> logits.shape, state["batch_stats"]["BatchNorm_0"]["mean"].shape
        ((5, 10), (16,))
    """

    features: Sequence[int]
    activation: str = "relu"
    momentum: float = 0.9

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        """Map [batch, inputs] to [batch, features[-1]]."""
        between = activation(self.activation)
        for width in self.features[:-1]:
            normalise = nn.BatchNorm(use_running_average=not train, momentum=self.momentum)
            x = between(normalise(Dense(width)(x)))
        return Dense(self.features[-1])(x)


class CNN(nn.Module):
    """Convolutions of 3x3 with ReLU, each followed by 2x2 max-pooling, then dense layers.

    Attributes:
        channels: Output channels of each convolution.
        features: Width of each dense layer; the last one is the number of classes.

    Example:
        >>> model = CNN()
        >>> params = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
        >>> jax.jit(model.apply)(params, jnp.ones((2, 28, 28, 1))).shape
        (2, 10)
    """

    channels: Sequence[int] = (32, 64)
    features: Sequence[int] = (64, 10)

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map images [batch, height, width, channels] to logits [batch, features[-1]]."""
        for width in self.channels:
            x = max_pool(nn.relu(Conv(width)(x)))
        x = x.reshape(x.shape[0], -1)
        for width in self.features[:-1]:
            x = nn.relu(Dense(width)(x))
        return Dense(self.features[-1])(x)
