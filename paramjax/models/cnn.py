"""The convolutional network of the founding programs, and the two layers it is made of.

On XLA CPU the kernel gradient of `lax.conv` inside a scan is about ten times slower
than outside, and `max_pool`'s backward pass six times slower than a reshape and a
maximum. The layers here are shifted slices and one matmul, and that reshape: the same
parameters and values as flax's, at full speed inside a compiled training loop.
"""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from paramjax.types import Array


class Conv(nn.Module):
    r"""A convolution with stride 1 and zero padding that keeps height and width.

    $$y_{n,i,j,f} = b_f + \sum_{u,v,c} x_{n,\,i+u-p,\,j+v-q,\,c}\; k_{u,v,c,f}$$
    with p = (height - 1) // 2 and q = (width - 1) // 2 (Goodfellow, Bengio and
    Courville, 2016, eq. 9.6: cross-correlation, as in every deep-learning library).

    Attributes:
        features: Number of output channels.
        kernel_size: Height and width of the kernel.

    Example:
        >>> import jax
        >>> params = Conv(8).init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
        >>> Conv(8).apply(params, jnp.ones((2, 28, 28, 1))).shape
        (2, 28, 28, 8)
    """

    features: int
    kernel_size: tuple[int, int] = (3, 3)

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map [batch, height, width, channels] to [batch, height, width, features]."""
        height, width = self.kernel_size
        shape = (height, width, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        patches = _patches(x, height, width)
        flat = kernel.reshape(-1, self.features).astype(x.dtype)
        return patches @ flat + bias.astype(x.dtype).reshape(1, 1, 1, -1)


def max_pool(x: Array, size: int = 2) -> Array:
    """The maximum over windows of `size` x `size`, which do not overlap.

    Args:
        x: [batch, height, width, channels]; rows and columns beyond the last whole
            window are dropped.
        size: Side of a window, in pixels.

    Returns:
        [batch, height // size, width // size, channels].

    Example:
        >>> max_pool(jnp.arange(16.0).reshape(1, 4, 4, 1)).ravel().tolist()
        [5.0, 7.0, 13.0, 15.0]
    """
    batch, height, width, channels = x.shape
    rows, columns = height // size, width // size
    windows = x[:, : rows * size, : columns * size, :]
    return windows.reshape(batch, rows, size, columns, size, channels).max(axis=(2, 4))


class CNN(nn.Module):
    """Convolutions of 3x3 with ReLU, each followed by 2x2 max-pooling, then dense layers.

    Attributes:
        channels: Output channels of each convolution.
        features: Width of each dense layer; the last one is the number of classes.

    Example:
        >>> import jax
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
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(self.features[-1])(x)


def _patches(x: Array, height: int, width: int) -> Array:
    """Every pixel's neighbourhood, [batch, rows, columns, height * width * channels]."""
    _, rows, columns, _ = x.shape
    top, left = (height - 1) // 2, (width - 1) // 2
    padded = jnp.pad(x, ((0, 0), (top, height - 1 - top), (left, width - 1 - left), (0, 0)))
    shifts = [padded[:, i : i + rows, j : j + columns] for i in range(height) for j in range(width)]
    return jnp.concatenate(shifts, axis=-1)
