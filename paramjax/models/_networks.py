"""Small networks: linear, multilayer perceptrons, convolutional."""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn

from paramjax._types import Array
from paramjax.models._conv import Conv
from paramjax.models._dense import Dense
from paramjax.models._names import activation, initialiser
from paramjax.models._pooling import max_pool


class Linear(nn.Module):
    """`x W + b`: linear regression, and the logits of logistic regression.

    Attributes:
        features: Number of outputs.
        initialiser: Name of the kernel's first distribution, see `initialiser`; zeros, as a
            convex problem should start.

    Raises:
        ValueError: On the first call, if the initialiser is unknown.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> params = Linear(1).init(jax.random.key(0), jnp.zeros((1, 3)))
        >>> Linear(1).apply(params, jnp.ones((5, 3))).shape
        (5, 1)
    """

    features: int
    initialiser: str = "zeros"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map [batch, inputs] to [batch, features]."""
        return Dense(self.features, kernel_init=initialiser(self.initialiser))(x)


class MLP(nn.Module):
    """Dense layers with an activation between them, none after the last.

    Attributes:
        features: Width of each layer; the last one is the number of outputs.
        activation: Name of the activation between layers, see `activation`.
        initialiser: Name of the kernels' first distribution, see `initialiser`.

    Raises:
        ValueError: On the first call, if the activation or the initialiser is unknown.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> model = MLP((64, 10), activation="relu")
        >>> params = model.init(jax.random.key(0), jnp.zeros((1, 64)))
        >>> model.apply(params, jnp.ones((5, 64))).shape
        (5, 10)
    """

    features: Sequence[int]
    activation: str = "relu"
    initialiser: str = "lecun_normal"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map [batch, inputs] to [batch, features[-1]]."""
        between, start = activation(self.activation), initialiser(self.initialiser)
        for width in self.features[:-1]:
            x = between(Dense(width, kernel_init=start)(x))
        return Dense(self.features[-1], kernel_init=start)(x)


class BatchNormMLP(nn.Module):
    """Dense layers, each but the last followed by batch normalisation and an activation.

    Ioffe and Szegedy (2015). Training normalises by the mean and variance of the batch and keeps
    their running averages in the collection `batch_stats`; evaluation normalises by those.

    Attributes:
        features: Width of each layer; the last one is the number of outputs.
        activation: Name of the activation between layers, see `activation`.
        initialiser: Name of the kernels' first distribution, see `initialiser`.
        momentum: Share of the running average that a step keeps, in [0, 1).

    Raises:
        ValueError: On the first call, if the activation or the initialiser is unknown.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> model = BatchNormMLP((16, 10))
        >>> start = model.init(jax.random.key(0), jnp.zeros((1, 64)), train=False)
        >>> x = jnp.ones((5, 64))
        >>> logits, state = model.apply(start, x, train=True, mutable=["batch_stats"])
        >>> logits.shape, state["batch_stats"]["BatchNorm_0"]["mean"].shape
        ((5, 10), (16,))
    """

    features: Sequence[int]
    activation: str = "relu"
    initialiser: str = "lecun_normal"
    momentum: float = 0.9

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        """Map [batch, inputs] to [batch, features[-1]]."""
        between, start = activation(self.activation), initialiser(self.initialiser)
        for width in self.features[:-1]:
            normalise = nn.BatchNorm(use_running_average=not train, momentum=self.momentum)
            x = between(normalise(Dense(width, kernel_init=start)(x)))
        return Dense(self.features[-1], kernel_init=start)(x)


class CNN(nn.Module):
    """Convolutions of 3x3 with an activation, each followed by 2x2 max-pooling, then dense layers.

    Attributes:
        channels: Output channels of each convolution.
        features: Width of each dense layer; the last one is the number of classes.
        activation: Name of the activation between layers, see `activation`.
        initialiser: Name of the kernels' first distribution, see `initialiser`.

    Raises:
        ValueError: On the first call, if the activation or the initialiser is unknown.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> model = CNN()
        >>> params = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
        >>> jax.jit(model.apply)(params, jnp.ones((2, 28, 28, 1))).shape
        (2, 10)
    """

    channels: Sequence[int] = (32, 64)
    features: Sequence[int] = (64, 10)
    activation: str = "relu"
    initialiser: str = "lecun_normal"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map images [batch, height, width, channels] to logits [batch, features[-1]]."""
        between, start = activation(self.activation), initialiser(self.initialiser)
        for width in self.channels:
            x = max_pool(between(Conv(width, kernel_init=start)(x)))
        x = x.reshape(x.shape[0], -1)
        for width in self.features[:-1]:
            x = between(Dense(width, kernel_init=start)(x))
        return Dense(self.features[-1], kernel_init=start)(x)
