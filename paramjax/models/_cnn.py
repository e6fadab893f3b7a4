"""The convolutional network of the founding programs."""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn

from paramjax._types import Array
from paramjax.models._conv import Conv
from paramjax.models._dense import Dense
from paramjax.models._pooling import max_pool


class CNN(nn.Module):
    """Convolutions of 3x3 with ReLU, each followed by 2x2 max-pooling, then dense layers.

    Attributes:
        channels: Output channels of each convolution.
        features: Width of each dense layer; the last one is the number of classes.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> model = CNN()
        >>> params = model.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
        >>> model.apply(params, jnp.ones((2, 28, 28, 1))).shape
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
