"""Forms of a convolution and of its kernel gradient, for images of any number of axes.

On XLA CPU, inside a loop, the transposes that JAX gives to `lax.conv_general_dilated` are
slow: the loop keeps their transposed layouts, for which there is no fast kernel (jax issue
12868). A convolution in the common layout is as fast as outside, which serves the output and
the gradient of the input; the gradient of the kernel is fastest as matmuls over few images,
whose shifted rows stay in the cache.

Every form of the convolution maps images [batch, *sides, channels] and a kernel
[*kernel sides, channels / groups, features] to [batch, *positions, features]; every form of the
kernel's gradient ("correlate") maps images and the output's gradient to the kernel's shape.
"""

from __future__ import annotations

import math
import operator
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from paramjax._types import Array


class Window(NamedTuple):
    """How a kernel moves over images; a number or pair for each axis of an image.

    Attributes:
        size: Sides of the kernel.
        pads: Zeros before and after the image; negative numbers cut pixels off.
        strides: Pixels by which the kernel moves.
        dilation: Pixels between neighbouring numbers of the kernel; 1 is no gap.
        spread: Dilation of the image; above 1 there are zeros between its pixels.
        groups: Groups of channels, each with kernels of its own.
    """

    size: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    spread: tuple[int, ...]
    groups: int = 1


POSITIONS = 256
"""Output pixels of one matmul of `correlate_in_chunks`, about."""


def window(
    size: Any, pads: Any, *, strides: Any = None, dilation: Any = None, groups: int = 1
) -> Window:
    """A window over undilated images; by default with strides and dilation of 1."""
    ones = (1,) * len(size)
    sides = tuple(size), tuple((low, high) for low, high in pads)
    return Window(*sides, tuple(strides or ones), tuple(dilation or ones), ones, groups)


def convolve_by_lax(x: Array, kernel: Array, window: Window) -> Array:
    """The convolution by the platform's library, cuDNN or Eigen."""
    axes = "DHW"[-len(window.size) :]
    out: Array = lax.conv_general_dilated(
        x, kernel, window.strides, window.pads, lhs_dilation=window.spread,
        rhs_dilation=window.dilation, feature_group_count=window.groups,
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
    )  # fmt: skip
    return out


def convolve_as_matmul(x: Array, kernel: Array, window: Window) -> Array:
    """The convolution as shifted slices and one matmul (Chellapilla et al., 2006)."""
    rows, groups = _patches(x, window), window.groups
    flat = kernel.reshape(-1, *kernel.shape[-2:])
    if groups == 1:
        return rows.reshape(*rows.shape[:-2], -1) @ flat.reshape(-1, flat.shape[-1])
    rows = rows.reshape(*rows.shape[:-1], groups, -1)
    grouped = flat.reshape(*flat.shape[:-1], groups, -1)
    out = jnp.einsum("...kgc,kcgf->...gf", rows, grouped, preferred_element_type=_summed(x))
    return out.astype(x.dtype).reshape(*out.shape[:-2], -1)


def convolve_on_cpu(x: Array, kernel: Array, window: Window) -> Array:
    """The platform's convolution; for depthwise kernels, a sum of shifted images times numbers."""
    if not _depthwise(x, window):
        return convolve_by_lax(x, kernel, window)
    flat, many = kernel.reshape(-1, kernel.shape[-1]), kernel.shape[-1] // window.groups
    terms = (
        jnp.repeat(part.astype(_summed(x)), many, -1) * row.reshape((1,) * (x.ndim - 1) + (-1,))
        for part, row in zip(_shifted(x, window), flat, strict=True)
    )
    total: Array = reduce(operator.add, terms)
    return total.astype(x.dtype)


def correlate_by_lax(x: Array, g: Array, window: Window) -> Array:
    """The kernel's gradient as JAX derives it, for which cuDNN and TPUs have kernels."""
    kernel = jax.eval_shape(lambda: jnp.zeros(kernel_shape(x, g, window), x.dtype))
    gradient: Array
    (gradient,) = jax.linear_transpose(lambda k: convolve_by_lax(x, k, window), kernel)(g)
    return gradient


def correlate_as_matmul(x: Array, g: Array, window: Window) -> Array:
    """The kernel's gradient as one matmul of all neighbourhoods and the output's gradient."""
    rows, groups = _patches(x, window), window.groups
    shape, flat = kernel_shape(x, g, window), g.reshape(-1, g.shape[-1])
    if groups == 1:
        total = _product(rows.reshape(len(flat), -1), flat)
    else:
        inputs = rows.reshape(len(flat), rows.shape[-2], groups, -1)
        outputs = flat.reshape(len(flat), groups, -1)
        total = jnp.einsum("nkgc,ngf->kcgf", inputs, outputs, preferred_element_type=_summed(x))
    return total.astype(x.dtype).reshape(shape)


def correlate_in_chunks(x: Array, g: Array, window: Window) -> Array:
    """The kernel's gradient as a sum over chunks of few images, a matmul per row of the kernel."""
    shape, batch, features = kernel_shape(x, g, window), len(g), g.shape[-1]
    if _depthwise(x, window):
        single, many = g.astype(_summed(x)), features // window.groups
        totals = [
            (jnp.repeat(part, many, -1) * single).sum(tuple(range(g.ndim - 1)))
            for part in _shifted(x, window)
        ]
        return jnp.stack(totals).astype(x.dtype).reshape(shape)
    if window.groups > 1 or math.prod(shape[:-1]) <= features or g.size == 0:
        return correlate_as_matmul(x, g, window)  # the neighbourhoods are no larger than g
    few = _divisor(batch, POSITIONS // math.prod(g.shape[1:-1]))

    def add(total: Array, part: tuple[Array, Array]) -> tuple[Array, None]:
        wide = jnp.concatenate(_shifted(part[0], window, first=2), axis=-1)
        bands = [  # contiguous where `few` is 1 and the stride too, so that no copy is made
            _cut(wide, 1, i * window.dilation[0], g.shape[1], window.strides[0])
            for i in range(window.size[0])
        ]
        flat = part[1].reshape(-1, features)
        products = [_product(band.reshape(len(flat), -1), flat) for band in bands]
        return total + jnp.stack(products), None

    zero = jnp.zeros((shape[0], math.prod(shape[1:-1]), features), _summed(x))
    images, outputs = (v.reshape(batch // few, few, *v.shape[1:]) for v in (x, g))
    total, _ = lax.scan(add, zero, (images, outputs))
    return total.astype(x.dtype).reshape(shape)


def kernel_shape(x: Any, g: Any, window: Window) -> tuple[int, ...]:
    """The shape of the kernel, from anything with the images' and the outputs' shapes."""
    return (*window.size, x.shape[-1] // window.groups, g.shape[-1])


def _summed(x: Array) -> Any:
    """The dtype of sums over pixels: at least float32."""
    return jnp.promote_types(x.dtype, jnp.float32)


def _depthwise(x: Array, window: Window) -> bool:
    return 1 < window.groups == x.shape[-1]


def _product(a: Array, b: Array) -> Array:
    """a.T @ b over all pixels of the batch, summed in at least float32."""
    return lax.dot_general(a, b, (((0,), (0,)), ((), ())), preferred_element_type=_summed(a))


def _cut(x: Array, axis: int, start: int, count: int, stride: int) -> Array:
    return lax.slice_in_dim(x, start, start + (count - 1) * stride + 1, stride, axis)


def _padded(x: Array, window: Window) -> Array:
    zeros = [
        (low, high, gap - 1) for (low, high), gap in zip(window.pads, window.spread, strict=True)
    ]
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *zeros, (0, 0, 0)])


def _shifted(x: Array, window: Window, first: int = 1) -> list[Array]:
    """For each number of the kernel, the pixels under it; only over image axes from `first` on."""
    parts = [_padded(x, window)]
    for axis in range(first, x.ndim - 1):
        i, whole = axis - 1, parts[0].shape[axis]
        reach, stride = window.dilation[i], window.strides[i]
        count = (whole - (window.size[i] - 1) * reach - 1) // stride + 1
        parts = [
            _cut(p, axis, j * reach, count, stride) for p in parts for j in range(window.size[i])
        ]
    return parts


def _patches(x: Array, window: Window) -> Array:
    """The neighbourhood of every output, [batch, *positions, numbers of the kernel, channels]."""
    return jnp.stack(_shifted(x, window), axis=-2)


def _divisor(number: int, most: int) -> int:
    """The greatest divisor of a number that is at most `most`; at least 1."""
    return max(size for size in range(1, max(1, min(number, most)) + 1) if number % size == 0)
