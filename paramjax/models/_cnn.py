"""Convolutional networks: plain, and with residual blocks."""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from paramjax._checks import check_count
from paramjax._types import Array
from paramjax.models._conv import Conv
from paramjax.models._dense import Dense
from paramjax.models._hidden import (
    activated,
    check_dropout,
    check_images,
    check_widths,
    dropped,
    flattened,
    normalised,
)
from paramjax.models._module import Module
from paramjax.models._names import activation, initialiser
from paramjax.models._pooling import max_pool


class CNN(Module):
    """Convolutions of 3x3 with an activation, each followed by 2x2 max-pooling, then dense layers.

    Batch normalisation comes between a layer and its activation, in all layers but the last;
    dropout before each dense layer (Krizhevsky, Sutskever and Hinton, 2012, section 4.2).
    `from_linen` makes pure functions of a model with either.

    Attributes:
        channels: Output channels of each convolution.
        features: Width of each dense layer; the last one is the number of classes.
        activation: Name of the activation between layers, see `activation`.
        initialiser: Name of the kernels' first distribution, see `initialiser`.
        dropout: Share of the inputs of each dense layer that training drops, in [0, 1); may be
            traced, as a hyperparameter is. It draws from `rngs={"dropout": key}`.
        batch_norm: Whether hidden layers are normalised; the collection is `batch_stats`.
        momentum: Share of the running averages that a step keeps, in [0, 1).

    Raises:
        TypeError: On the first call, if a width is not a whole number.
        ValueError: On the first call, if the activation or the initialiser is unknown, a number
            is out of range, or x is not images that are large enough for the poolings.

    Example:
        >>> import jax
        >>> model = CNN()
        >>> params = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
        >>> jax.jit(model.apply)(params, jnp.ones((2, 28, 28, 1))).shape
        (2, 10)
    """

    channels: Sequence[int] = (32, 64)
    features: Sequence[int] = (64, 10)
    activation: str = "relu"
    initialiser: str = "lecun_normal"
    dropout: float = 0.0
    batch_norm: bool = False
    momentum: float = 0.9

    @nn.compact
    def __call__(self, x: Array, *, train: bool = False) -> Array:
        """Map images [batch, height, width, channels] to logits [batch, features[-1]]."""
        check_widths("channels", self.channels)
        check_widths("features", self.features)
        check_dropout(self.dropout)
        check_images(x, len(self.channels))
        start = initialiser(self.initialiser)
        for width in self.channels:
            x = max_pool(activated(self, Conv(width, kernel_init=start)(x), train=train))
        x = dropped(self, flattened(x), train=train)
        for width in self.features[:-1]:
            x = activated(self, Dense(width, kernel_init=start)(x), train=train)
            x = dropped(self, x, train=train)
        return Dense(self.features[-1], kernel_init=start)(x)


class ResNet(Module):
    r"""A small residual network with batch normalisation, for images from 8x8 to 64x64.

    He, Zhang, Ren and Sun (2016, section 4.2): a convolution, stages of residual blocks, each but
    the first of which halves the sides, the mean over all positions, a dense layer. A block is
    $$y = f(x' + N(K_2 * f(N(K_1 * x))))$$
    with convolutions of 3x3, batch normalisation N and activation f; x' is x, or where the shape
    changes its projection by a convolution of 1x1 (option B there). The network has
    2 blocks len(channels) + 2 layers: ResNet(blocks=3) is their ResNet-20.

    Attributes:
        classes: Number of outputs.
        channels: Width of each stage.
        blocks: Residual blocks of a stage.
        activation: Name of the activation, see `activation`.
        initialiser: Name of the kernels' first distribution, see `initialiser`.
        momentum: Share of the running averages that a step keeps, in [0, 1).

    Raises:
        TypeError: On the first call, if a width or a count is not a whole number.
        ValueError: On the first call, if the activation or the initialiser is unknown, a number
            is out of range, or x is not images that are large enough for the stages.

    Example:
        >>> import jax
        >>> outputs = lambda x, key: ResNet().init_with_output(key, x)[0]
        >>> jax.eval_shape(outputs, jnp.zeros((2, 28, 28, 1)), jax.random.key(0)).shape
        (2, 10)
    """

    classes: int = 10
    channels: Sequence[int] = (16, 32, 64)
    blocks: int = 1
    activation: str = "relu"
    initialiser: str = "he_normal"
    momentum: float = 0.9

    @nn.compact
    def __call__(self, x: Array, *, train: bool = False) -> Array:
        """Map images [batch, height, width, channels] to logits [batch, classes]."""
        check_count("classes", self.classes)
        check_widths("channels", self.channels)
        check_count("blocks", self.blocks)
        check_images(x, len(self.channels) - 1)
        f, start = activation(self.activation), initialiser(self.initialiser)

        def convolved(x: Array, width: int, side: int = 3, stride: int = 1) -> Array:
            layer = Conv(width, (side, side), (stride, stride), use_bias=False, kernel_init=start)
            return normalised(layer(x), self.momentum, train=train)

        x = f(convolved(x, self.channels[0]))
        for stage, width in enumerate(self.channels):
            for block in range(self.blocks):
                stride = 2 if stage and not block else 1
                change = convolved(f(convolved(x, width, stride=stride)), width)
                if x.shape != change.shape:
                    x = convolved(x, width, side=1, stride=stride)
                x = f(x + change)
        return Dense(self.classes, kernel_init=start)(jnp.mean(x, axis=(1, 2)))
