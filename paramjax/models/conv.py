"""The convolution layer: flax's parameters and values, fast inside a compiled training loop."""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp

from paramjax.checks import nearest
from paramjax.models.convolution import convolve
from paramjax.models.convolution_forms import Pads
from paramjax.types import Array


class Conv(nn.Module):
    r"""A convolution with stride 1 of images, with a bias.

    $$y_{n,i,j,f} = b_f + \sum_{u,v,c} x_{n,\,i+u-p,\,j+v-q,\,c}\; k_{u,v,c,f}$$
    (Goodfellow, Bengio and Courville, 2016, eq. 9.6: cross-correlation, as in every
    deep-learning library), with p = (height - 1) // 2 and q = (width - 1) // 2 rows and columns
    of zeros before the image for SAME padding, and none for VALID.

    Attributes:
        features: Number of output channels.
        kernel_size: Height and width of the kernel.
        padding: SAME keeps height and width, VALID leaves out what needs zeros.
        convolve: `(x, kernel, pads) -> y`. The default takes the fastest form of the platform
            that a program is compiled for; any other function of jax.numpy serves as well.

    Raises:
        TypeError: On the first call, if the images are not floating-point.
        ValueError: On the first call, for another padding, another number of axes, or an image
            smaller than the kernel under VALID.

    Example:
        >>> import jax
        >>> params = Conv(8).init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
        >>> Conv(8).apply(params, jnp.ones((2, 28, 28, 1))).shape
        (2, 28, 28, 8)
    """

    features: int
    kernel_size: tuple[int, int] = (3, 3)
    padding: str = "SAME"
    convolve: Callable[[Array, Array, Pads], Array] = convolve

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map [batch, height, width, channels] to [batch, rows, columns, features]."""
        pads = self._pads(x)
        shape = (*self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        y = self.convolve(x, kernel.astype(x.dtype), pads)
        return y + bias.astype(x.dtype).reshape(1, 1, 1, -1)

    def _pads(self, x: Array) -> Pads:
        if x.ndim != 4:
            raise ValueError(
                f"x: expected images [batch, height, width, channels], got shape {x.shape}"
            )
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise TypeError(f"x: expected floating-point images, got {x.dtype}; divide by 255.0")
        if self.padding == "SAME":
            (top, left), (height, width) = (
                ((s - 1) // 2 for s in self.kernel_size),
                self.kernel_size,
            )
            return (top, height - 1 - top), (left, width - 1 - left)
        if self.padding != "VALID":
            raise ValueError(nearest(self.padding, ("SAME", "VALID"), what="padding"))
        if x.shape[1] < self.kernel_size[0] or x.shape[2] < self.kernel_size[1]:
            raise ValueError(
                f"x: expected images no smaller than the kernel {self.kernel_size} for VALID "
                f"padding, got shape {x.shape}"
            )
        return (0, 0), (0, 0)
