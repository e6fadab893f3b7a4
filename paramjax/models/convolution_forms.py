"""Forms of a convolution with stride 1 and of its kernel gradient.

On XLA CPU, inside a loop, the transposes that JAX gives to `lax.conv_general_dilated` are
slow: the loop keeps their transposed layouts, for which there is no fast kernel (jax issue
12868). A convolution in the common layout is as fast as outside, which serves the output and
the gradient of the input; the gradient of the kernel is fastest as matmuls over few images,
whose shifted rows stay in the cache.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from paramjax.types import Array

Pads = tuple[tuple[int, int], tuple[int, int]]
"""Rows of zeros above and below, columns of zeros left and right."""

POSITIONS = 256
"""About as many output pixels go into one matmul of `correlate_in_chunks`."""

LAYOUT = ("NHWC", "HWIO", "NHWC")


def convolve_by_lax(x: Array, kernel: Array, pads: Pads) -> Array:
    """The convolution by the platform's own, cuDNN or Eigen.

    Args:
        x: [batch, height, width, channels].
        kernel: [kernel height, kernel width, channels, features].
        pads: Zeros around the image.

    Returns:
        [batch, rows, columns, features].

    Example:
        >>> x = jnp.arange(9.0).reshape(1, 3, 3, 1)
        >>> convolve_by_lax(x, jnp.ones((2, 2, 1, 1)), ((0, 0), (0, 0))).ravel().tolist()
        [8.0, 12.0, 20.0, 24.0]
    """
    return lax.conv_general_dilated(x, kernel, (1, 1), pads, dimension_numbers=LAYOUT)


def convolve_as_matmul(x: Array, kernel: Array, pads: Pads) -> Array:
    """The convolution as shifted slices and one matmul (Chellapilla et al., 2006).

    Args:
        x: [batch, height, width, channels].
        kernel: [kernel height, kernel width, channels, features].
        pads: Zeros around the image.

    Returns:
        [batch, rows, columns, features].

    Example:
        >>> x = jnp.arange(9.0).reshape(1, 3, 3, 1)
        >>> convolve_as_matmul(x, jnp.ones((2, 2, 1, 1)), ((0, 0), (0, 0))).ravel().tolist()
        [8.0, 12.0, 20.0, 24.0]
    """
    height, width, _, features = kernel.shape
    return _patches(x, height, width, pads) @ kernel.reshape(-1, features)


def correlate_by_lax(x: Array, g: Array, pads: Pads) -> Array:
    """The kernel's gradient as JAX derives it, for which cuDNN and TPUs have kernels.

    Args:
        x: [batch, height, width, channels].
        g: Gradient of the output, [batch, rows, columns, features].
        pads: Zeros around the image.

    Returns:
        [kernel height, kernel width, channels, features].

    Example:
        >>> x = jnp.arange(9.0).reshape(1, 3, 3, 1)
        >>> correlate_by_lax(x, jnp.ones((1, 2, 2, 1)), ((0, 0), (0, 0))).ravel().tolist()
        [8.0, 12.0, 20.0, 24.0]
    """
    shape = (*kernel_size(x, g, pads), x.shape[-1], g.shape[-1])
    kernel = jax.ShapeDtypeStruct(shape, x.dtype)
    return jax.linear_transpose(lambda k: convolve_by_lax(x, k, pads), kernel)(g)[0]


def correlate_as_matmul(x: Array, g: Array, pads: Pads) -> Array:
    """The kernel's gradient as one matmul of all neighbourhoods and the output's gradient.

    Args:
        x: [batch, height, width, channels].
        g: Gradient of the output, [batch, rows, columns, features].
        pads: Zeros around the image.

    Returns:
        [kernel height, kernel width, channels, features].

    Example:
        >>> x = jnp.arange(9.0).reshape(1, 3, 3, 1)
        >>> correlate_as_matmul(x, jnp.ones((1, 2, 2, 1)), ((0, 0), (0, 0))).ravel().tolist()
        [8.0, 12.0, 20.0, 24.0]
    """
    height, width = kernel_size(x, g, pads)
    shape = (height, width, x.shape[-1], g.shape[-1])
    rows = _patches(x, height, width, pads).reshape(-1, math.prod(shape[:3]))
    return _product(rows, g.reshape(-1, shape[-1])).astype(x.dtype).reshape(shape)


def correlate_in_chunks(x: Array, g: Array, pads: Pads) -> Array:
    """The kernel's gradient as a sum over few images, a matmul for each row of the kernel.

    Args:
        x: [batch, height, width, channels].
        g: Gradient of the output, [batch, rows, columns, features].
        pads: Zeros around the image.

    Returns:
        [kernel height, kernel width, channels, features].

    Example:
        >>> x = jnp.arange(9.0).reshape(1, 3, 3, 1)
        >>> correlate_in_chunks(x, jnp.ones((1, 2, 2, 1)), ((0, 0), (0, 0))).ravel().tolist()
        [8.0, 12.0, 20.0, 24.0]
    """
    height, width = kernel_size(x, g, pads)
    batch, rows, columns, features = g.shape
    channels = x.shape[-1]
    if height * width * channels <= features:  # the neighbourhoods are no larger than g
        return correlate_as_matmul(x, g, pads)
    few = _divisor(batch, POSITIONS // (rows * columns))

    def add(total: Array, part: tuple[Array, Array]) -> tuple[Array, None]:
        wide = _shifted_columns(part[0], width, pads)
        bands = [
            wide[:, i : i + rows].reshape(-1, width * channels) for i in range(height)
        ]  # contiguous where `few` is 1, so that no copy is made
        flat = part[1].reshape(-1, features)
        return total + jnp.stack([_product(band, flat) for band in bands]), None

    zero = jnp.zeros((height, width * channels, features), jnp.promote_types(x.dtype, jnp.float32))
    images, outputs = (v.reshape(batch // few, few, *v.shape[1:]) for v in (x, g))
    total, _ = lax.scan(add, zero, (images, outputs))
    return total.astype(x.dtype).reshape(height, width, channels, features)


def kernel_size(x: Any, g: Any, pads: Pads) -> tuple[int, int]:
    """Height and width of the kernel that takes images to outputs of these shapes.

    Args:
        x: Anything with the images' shape, [..., height, width, channels].
        g: Anything with the outputs' shape, [..., rows, columns, features].
        pads: Zeros around the image.

    Returns:
        Height and width.

    Example:
        >>> kernel_size(jnp.zeros((1, 5, 5, 1)), jnp.zeros((1, 5, 4, 1)), ((1, 1), (0, 0)))
        (3, 2)
    """
    height, width = (x.shape[i - 3] + sum(pads[i]) - g.shape[i - 3] + 1 for i in (0, 1))
    return height, width


def _product(a: Array, b: Array) -> Array:
    """The matmul of a' and b, summed in float32 at least: over every pixel of the batch."""
    dtype = jnp.promote_types(a.dtype, jnp.float32)
    return lax.dot_general(a, b, (((0,), (0,)), ((), ())), preferred_element_type=dtype)


def _shifted_columns(x: Array, width: int, pads: Pads) -> Array:
    """Every pixel's neighbours in its row, [batch, padded height, columns, width * channels]."""
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    columns = padded.shape[2] - width + 1
    return jnp.concatenate([padded[:, :, j : j + columns] for j in range(width)], axis=-1)


def _patches(x: Array, height: int, width: int, pads: Pads) -> Array:
    """Every pixel's neighbourhood, [batch, rows, columns, height * width * channels]."""
    wide = _shifted_columns(x, width, pads)
    rows = wide.shape[1] - height + 1
    return jnp.concatenate([wide[:, i : i + rows] for i in range(height)], axis=-1)


def _divisor(number: int, most: int) -> int:
    """The greatest divisor that is at most `most`, and at least 1."""
    return max(size for size in range(1, max(1, min(number, most)) + 1) if number % size == 0)
