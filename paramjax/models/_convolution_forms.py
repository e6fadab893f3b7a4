"""Forms of a convolution and of its kernel gradient, for images of any number of axes.

On XLA CPU, inside a loop, the transposes that JAX gives to `lax.conv_general_dilated` are
slow: the loop keeps their transposed layouts, for which there is no fast kernel (jax issue
12868). A convolution in the common layout is as fast as outside, which serves the output and
the gradient of the input; the gradient of the kernel is fastest as matmuls over few images,
whose shifted rows stay in the cache. XLA computes a convolution on one core, and matmuls over
more images on all of them: in less time, but with more work.

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


FEW, MANY = 256, 3136
"""Output pixels of a chunk, at most: what the matmuls of one core, or of all of them, read and
write stays in their cache."""


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
        return _flattened(rows) @ kernel.reshape(-1, kernel.shape[-1])
    rows = rows.reshape(*rows.shape[:-1], groups, flat.shape[-2])
    grouped = flat.reshape(*flat.shape[:-1], groups, -1)
    out = jnp.einsum("...kgc,kcgf->...gf", rows, grouped, preferred_element_type=_summed(x))
    return _flattened(out).astype(x.dtype)


def convolve_in_chunks(x: Array, kernel: Array, window: Window, pixels: int = MANY) -> Array:
    """The convolution of few images at a time, as a sum of a matmul for each row of the kernel."""
    shape = output_shape(x, kernel, window)
    few = _divisor(len(x), pixels // max(1, math.prod(shape[1:-1])))
    rows = kernel.reshape(len(kernel), -1, kernel.shape[-1])
    count = few * math.prod(shape[1:-1])

    def convolve(images: Array) -> Array:
        bands = (band.reshape(count, rows.shape[1]) for band in _bands(images, window))
        products = (_matmul(band, row) for band, row in zip(bands, rows, strict=True))
        return reduce(operator.add, products).astype(x.dtype).reshape(few, *shape[1:])

    out: Array = lax.map(convolve, x.reshape(len(x) // few, few, *x.shape[1:]))
    return out.reshape(shape)


def convolve_depthwise(x: Array, kernel: Array, window: Window) -> Array:
    """A sum of shifted images times numbers, for kernels of one channel each."""
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
        total = _product(_flattened(rows).reshape(len(flat), math.prod(shape[:-1])), flat)
    else:
        inputs = rows.reshape(len(flat), rows.shape[-2], groups, shape[-2])
        outputs = flat.reshape(len(flat), groups, shape[-1] // groups)
        total = jnp.einsum("nkgc,ngf->kcgf", inputs, outputs, preferred_element_type=_summed(x))
    return total.astype(x.dtype).reshape(shape)


def correlate_in_chunks(x: Array, g: Array, window: Window, pixels: int = FEW) -> Array:
    """The kernel's gradient as a sum over chunks of few images, a matmul per row of the kernel."""
    shape, batch, features = kernel_shape(x, g, window), len(g), g.shape[-1]
    few = _divisor(batch, pixels // max(1, math.prod(g.shape[1:-1])))
    row = math.prod(shape[1:-1])

    def add(total: Array, part: tuple[Array, Array]) -> tuple[Array, None]:
        flat = part[1].reshape(-1, features)
        bands = (band.reshape(len(flat), row) for band in _bands(part[0], window))
        products = [_product(band, flat) for band in bands]
        return total + jnp.stack(products), None

    zero = jnp.zeros((shape[0], row, features), _summed(x))
    images, outputs = (v.reshape(batch // few, few, *v.shape[1:]) for v in (x, g))
    total, _ = lax.scan(add, zero, (images, outputs))
    return total.astype(x.dtype).reshape(shape)


def correlate_depthwise(x: Array, g: Array, window: Window) -> Array:
    """The kernel's gradient as sums of shifted images times g, for kernels of one channel each."""
    single, many = g.astype(_summed(x)), g.shape[-1] // window.groups
    totals = [
        (jnp.repeat(part, many, -1) * single).sum(tuple(range(g.ndim - 1)))
        for part in _shifted(x, window)
    ]
    return jnp.stack(totals).astype(x.dtype).reshape(kernel_shape(x, g, window))


def output_shape(x: Any, kernel: Any, window: Window) -> tuple[int, ...]:
    """The shape of a convolution, from anything with the images' and the kernel's shapes."""
    wide = (
        (gap * (side - 1) + 1 + sum(pads), reach * (size - 1) + 1, stride)
        for side, gap, pads, size, reach, stride in zip(
            x.shape[1:-1], window.spread, window.pads, window.size, window.dilation, window.strides,
            strict=True,
        )
    )  # fmt: skip
    positions = ((image - kernel) // stride + 1 for image, kernel, stride in wide)
    return (x.shape[0], *positions, kernel.shape[-1])


def kernel_shape(x: Any, g: Any, window: Window) -> tuple[int, ...]:
    """The shape of the kernel, from anything with the images' and the outputs' shapes."""
    return (*window.size, x.shape[-1] // window.groups, g.shape[-1])


def _summed(x: Array) -> Any:
    """The dtype of sums over pixels: at least float32."""
    return jnp.promote_types(x.dtype, jnp.float32)


def is_depthwise(x: Array, window: Window) -> bool:
    """Whether each channel has kernels of its own."""
    return 1 < window.groups == x.shape[-1]


def _product(a: Array, b: Array) -> Array:
    """a.T @ b over all pixels of the batch, summed in at least float32."""
    return lax.dot_general(a, b, (((0,), (0,)), ((), ())), preferred_element_type=_summed(a))


def _matmul(a: Array, b: Array) -> Array:
    """A @ b, summed in at least float32."""
    return jnp.matmul(a, b, preferred_element_type=_summed(a))


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


def _bands(x: Array, window: Window) -> list[Array]:
    """For each row of the kernel, the pixels under it, [batch, *positions, numbers of the row]."""
    wide = jnp.concatenate(_shifted(x, window, first=2), axis=-1)
    reach, stride = window.dilation[0], window.strides[0]
    tall = window.spread[0] * (x.shape[1] - 1) + 1 + sum(window.pads[0])
    count = (tall - (window.size[0] - 1) * reach - 1) // stride + 1
    return [_cut(wide, 1, i * reach, count, stride) for i in range(window.size[0])]


def _patches(x: Array, window: Window) -> Array:
    """The neighbourhood of every output, [batch, *positions, numbers of the kernel, channels]."""
    return jnp.stack(_shifted(x, window), axis=-2)


def _flattened(rows: Array) -> Array:
    """The last two axes as one, also where others are empty."""
    return rows.reshape(*rows.shape[:-2], math.prod(rows.shape[-2:]))


def _divisor(number: int, most: int) -> int:
    """The greatest divisor of a number that is at most `most`; at least 1."""
    return max(size for size in range(1, max(1, min(number, most)) + 1) if number % size == 0)
