"""What autoencoders and adversarial pairs are made of: an encoder and a decoder."""

from __future__ import annotations

import math
from collections.abc import Sequence

import flax.linen as nn

from paramjax._checks import check_array
from paramjax._types import Array
from paramjax.models._conv import Conv
from paramjax.models._dense import Dense
from paramjax.models._hidden import check_widths, flattened, normalised
from paramjax.models._module import Module
from paramjax.models._names import activation, initialiser


class Encoder(Module):
    """Convolutions of stride 2, then dense layers, from [batch, *shape] to [batch, outputs]."""

    outputs: int
    features: Sequence[int]
    channels: Sequence[int]
    activation: str
    initialiser: str
    batch_norm: bool = False

    @nn.compact
    def __call__(self, x: Array, *, train: bool = False) -> Array:
        between, start = activation(self.activation), initialiser(self.initialiser)
        layers: list[nn.Module] = [
            Conv(width, strides=(2, 2), kernel_init=start) for width in self.channels
        ]
        layers += [Dense(width, kernel_init=start) for width in self.features]
        for number, layer in enumerate(layers):
            x = layer(x if number < len(self.channels) else flattened(x))
            if self.batch_norm and number:  # not on the inputs' own layer (Radford et al., 2016)
                x = normalised(x, 0.9, train=train)
            x = between(x)
        return Dense(self.outputs, kernel_init=start)(flattened(x))


class Decoder(Module):
    """Dense layers, then convolutions that double the sides, from [batch, z] to [batch, *shape]."""

    shape: Sequence[int]
    features: Sequence[int]
    channels: Sequence[int]
    activation: str
    initialiser: str
    batch_norm: bool = False

    @nn.compact
    def __call__(self, z: Array, *, train: bool = False) -> Array:
        between, start = activation(self.activation), initialiser(self.initialiser)

        def hidden(x: Array) -> Array:
            if self.batch_norm:
                x = normalised(x, 0.9, train=train)
            return between(x)

        for width in self.features:
            z = hidden(Dense(width, kernel_init=start)(z))
        if not self.channels:
            flat = Dense(math.prod(self.shape), kernel_init=start)(z)
            return flat.reshape(z.shape[0], *self.shape)
        first = (*(side >> len(self.channels) for side in self.shape[:2]), self.channels[0])
        x = Dense(math.prod(first), kernel_init=start)(z).reshape(z.shape[0], *first)
        for width in (*self.channels[1:], self.shape[-1]):
            x = doubled(Conv(4 * width, kernel_init=start)(hidden(x)))
        return x


def doubled(x: Array) -> Array:
    """Images of twice the sides from those of four times the channels.

    A convolution with this after it is a transposed convolution of stride 2, in another order of
    its sums (Shi et al., 2016, Is the deconvolution layer the same as a convolutional layer?).
    """
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height, width, 2, 2, channels // 4)
    return x.swapaxes(2, 3).reshape(batch, 2 * height, 2 * width, channels // 4)


def check_halves(shape: Sequence[int], features: Sequence[int], channels: Sequence[int]) -> None:
    """Raise unless all are widths, and convolutions can halve examples of this shape evenly."""
    check_widths("features", features, least=0)
    check_widths("channels", channels, least=0)
    if not hasattr(shape, "__len__") or len(shape) == 0:
        raise ValueError(f"shape: expected the shape of one example such as (64,), got {shape}")
    check_widths("shape", shape)
    if not channels:
        return
    if len(shape) != 3:
        raise ValueError(
            "shape: expected images (height, width, channels) for convolutions, got "
            f"{tuple(shape)}; leave `channels` empty for dense layers only"
        )
    multiple = 2 ** len(channels)
    if shape[0] % multiple or shape[1] % multiple:
        raise ValueError(
            f"shape: expected sides that are multiples of {multiple} for {len(channels)} "
            f"convolutions of stride 2, got {shape[0]} x {shape[1]}; pad the images or give fewer "
            "channels"
        )


def check_rows_of(x: Array, shape: Sequence[int]) -> None:
    """Raise unless x are examples of a shape."""
    check_array("x", x)
    if x.shape[1:] != tuple(shape) or x.ndim != len(shape) + 1:
        raise ValueError(f"x: expected [batch, {', '.join(map(str, shape))}], got shape {x.shape}")
