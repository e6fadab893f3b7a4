"""The convolution layer: flax's parameters and values, fast inside a compiled training loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jax.nn.initializers import Initializer

from paramjax._checks import check_array, check_count, nearest
from paramjax._types import Array
from paramjax.models._convolution import convolve
from paramjax.models._convolution_forms import Window, window
from paramjax.models._module import Module
from paramjax.models._names import INITIALISERS


class Conv(Module):
    r"""A convolution of sequences, images or volumes, with a bias.

    For images, stride 1, no dilation and one group:
    $$y_{n,i,j,f} = b_f + \sum_{u,v,c} x_{n,\,i+u-p,\,j+v-q,\,c}\; k_{u,v,c,f}$$
    (Goodfellow, Bengio and Courville, 2016, eq. 9.6: cross-correlation, as in every
    deep-learning library), with p = (height - 1) // 2 and q = (width - 1) // 2 rows and columns
    of zeros before the image for SAME padding, and none for VALID. Parameters have the names,
    shapes and first values of those of flax's `nn.Conv`.

    Attributes:
        features: Number of output channels, a multiple of the groups.
        kernel_size: Sides of the kernel: one to three, as many as the inputs have axes between
            the batch and the channels.
        strides: Pixels by which the kernel moves along each side; None for 1.
        padding: SAME gives one output for each stride, VALID pads no zeros; or a pair of counts
            for each side, the zeros before and after it.
        kernel_dilation: Pixels between neighbouring numbers of the kernel; None for 1.
        feature_group_count: Groups of channels that each have kernels of their own.
        use_bias: Whether to add a bias.
        kernel_init: Draws the first kernel, see `initialiser`.
        convolve: `(x, kernel, window) -> y`. The default takes the fastest form of the platform
            that a program is compiled for; any other function of jax.numpy can be passed.

    Raises:
        TypeError: On the first call, if the images are not floating-point or the features not a
            whole number.
        ValueError: On the first call, if the padding is unknown, the number of axes, strides or
            dilations is wrong, channels or features do not divide into the groups, or an image
            with its padding is smaller than the kernel.

    Example:
        >>> import jax
        >>> params = Conv(8).init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
        >>> Conv(8).apply(params, jnp.ones((2, 28, 28, 1))).shape
        (2, 28, 28, 8)
    """

    features: int
    kernel_size: Sequence[int] = (3, 3)
    strides: Sequence[int] | None = None
    padding: str | Sequence[tuple[int, int]] = "SAME"
    kernel_dilation: Sequence[int] | None = None
    feature_group_count: int = 1
    use_bias: bool = True
    kernel_init: Initializer = INITIALISERS["lecun_normal"]
    convolve: Callable[[Array, Array, Window], Array] = convolve

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map [batch, *sides, channels] to [batch, *positions, features]."""
        moves = self._window(x)
        shape = (*self.kernel_size, x.shape[-1] // moves.groups, self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        y = self.convolve(x, kernel.astype(x.dtype), moves)
        if not self.use_bias:
            return y
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return y + bias.astype(x.dtype).reshape((1,) * (x.ndim - 1) + (-1,))

    def _window(self, x: Array) -> Window:
        if not hasattr(self.kernel_size, "__len__"):
            raise ValueError(
                f"kernel_size: expected its sides, such as (3, 3), got {self.kernel_size}"
            )
        rank, groups = len(self.kernel_size), self.feature_group_count
        axes = {1: "length", 2: "height, width", 3: "depth, height, width"}.get(rank)
        check_count("features", self.features)
        check_array("x", x)
        if axes is None:
            raise ValueError(f"kernel_size: expected one to three sides, got {self.kernel_size}")
        if x.ndim != rank + 2:
            raise ValueError(f"x: expected images [batch, {axes}, channels], got shape {x.shape}")
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise TypeError(f"x: expected floating-point images, got {x.dtype}; divide by 255.0")
        if groups < 1 or x.shape[-1] % groups or self.features % groups:
            raise ValueError(
                f"feature_group_count: expected a divisor of {x.shape[-1]} channels and "
                f"{self.features} features, got {groups}"
            )
        strides, dilation = self._whole("strides"), self._whole("kernel_dilation")
        reach = tuple(d * (k - 1) + 1 for k, d in zip(self.kernel_size, dilation, strict=True))
        pads = self._pads(x.shape[1:-1], reach, strides)
        if any(s + sum(p) < r for s, p, r in zip(x.shape[1:-1], pads, reach, strict=True)):
            raise ValueError(
                f"x: expected images that are, padded by {pads}, no smaller than the kernel "
                f"{reach}, got shape {x.shape}"
            )
        return window(self.kernel_size, pads, strides=strides, dilation=dilation, groups=groups)

    def _whole(self, name: str) -> tuple[int, ...]:
        rank = len(self.kernel_size)
        given = getattr(self, name)
        if isinstance(given, int):
            raise ValueError(f"{name}: expected one for each side, {(given,) * rank}, got {given}")
        values = tuple(given or (1,) * rank)
        if len(values) != rank or min(values) < 1:
            raise ValueError(f"{name}: expected {rank} whole numbers from 1 on, got {values}")
        return values

    def _pads(
        self, sides: tuple[int, ...], reach: tuple[int, ...], strides: tuple[int, ...]
    ) -> Sequence[tuple[int, int]]:
        if not isinstance(self.padding, str):
            if len(self.padding) != len(sides) or any(len(pair) != 2 for pair in self.padding):
                raise ValueError(
                    f"padding: expected {len(sides)} pairs of numbers, got {self.padding}"
                )
            return self.padding
        if self.padding not in ("SAME", "VALID"):
            raise ValueError(nearest(self.padding, ("SAME", "VALID"), what="padding"))
        return lax.padtype_to_pads(sides, reach, strides, self.padding)
