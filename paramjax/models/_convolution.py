"""The convolution as a primitive: one lowering for each platform, every derivative fast.

Two bilinear maps, the convolution and its kernel gradient, are closed under differentiation:
the transpose of each in either argument is one of the two. So `grad`, `jvp` and their
compositions only ever consist of these two, and the form that computes them is chosen when a
program is compiled for a platform, not when it is traced.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from paramjax._types import Array
from paramjax.models._convolution_choice import convolve_on_cpu, correlate_on_cpu
from paramjax.models._convolution_forms import (
    Window,
    convolve_as_matmul,
    convolve_by_lax,
    correlate_as_matmul,
    correlate_by_lax,
    kernel_shape,
    output_shape,
)
from paramjax.models._primitives import Primitive, bind, lower, new_primitive, transpose_bilinear

Form = Callable[..., Array]
"""`(images, kernel or output's gradient, window) -> output or kernel's gradient`."""


def convolve(x: Array, kernel: Array, window: Window) -> Array:
    r"""The convolution of images with a kernel, see `Conv`.

    Under `vmap` over kernels a CPU computes one run after the other, a GPU one batched matmul,
    and other platforms a grouped convolution.
    """
    # an axis of runs in front of each operand, of size 1 where the runs share it
    return bind(_convolution, x[None], kernel[None], window=window)[0]


def _convolution_shape(x: Any, kernel: Any, *, window: Window) -> jax.core.ShapedArray:
    one = jax.core.ShapedArray(x.shape[1:], x.dtype)
    runs = max(x.shape[0], kernel.shape[0])
    return jax.core.ShapedArray((runs, *output_shape(one, kernel, window)), x.dtype)


def _correlation_shape(x: Any, g: Any, *, window: Window) -> jax.core.ShapedArray:
    runs = max(x.shape[0], g.shape[0])
    return jax.core.ShapedArray((runs, *kernel_shape(x, g, window)), x.dtype)


def _to_images(g: Array, x: Any, kernel: Array, *, window: Window) -> Array:
    """The images' gradient: the flipped kernel over the output's gradient."""
    sides = tuple(range(1, kernel.ndim - 2))
    # [*sides, channels of a group, groups, features of a group], then the last and third last swap
    grouped = jnp.flip(kernel, sides).reshape(*kernel.shape[:-1], window.groups, -1)
    flipped = grouped.swapaxes(-1, -3).reshape(*kernel.shape[:-2], grouped.shape[-1], -1)
    back = Window(
        window.size, tuple(_mirrored(x.aval.shape, g.shape, window)), window.spread,
        window.dilation, window.strides, window.groups,
    )  # fmt: skip
    return _summed_over_sharers(x, bind(_convolution, g, flipped, window=back))


def _mirrored(image: Any, output: Any, window: Window) -> Iterator[tuple[int, int]]:
    """Pads with which the convolution of the output's gradient has the image's sides."""
    for i, (low, _) in enumerate(window.pads):
        reach = window.dilation[i] * (window.size[i] - 1)
        wide = window.spread[i] * (image[2 + i] - 1) + 1
        spread = window.strides[i] * (output[2 + i] - 1) + 1
        yield reach - low, wide - spread + low


def _to_kernel(g: Array, x: Array, kernel: Any, *, window: Window) -> Array:
    """The kernel's gradient: the correlation of images and the output's gradient."""
    if kernel.aval.shape[0] == 1:  # runs that share a kernel are one larger batch
        x, g = (value.reshape(1, -1, *value.shape[2:]) for value in (x, g))
    return bind(_correlation, x, g, window=window)


def _to_outputs(dk: Array, x: Array, g: Any, *, window: Window) -> Array:
    """A correlation's gradient in its second operand: a convolution with the kernel's tangent."""
    return _summed_over_sharers(g, bind(_convolution, x, dk, window=window))


def _summed_over_sharers(operand: Any, gradient: Array) -> Array:
    """The gradient of an operand; summed over the runs if they share it."""
    return gradient.sum(0, keepdims=True) if operand.aval.shape[0] == 1 else gradient


def _batched(primitive: Primitive, values: Any, axes: Any, *, window: Window) -> tuple[Array, int]:
    """Merge a mapped axis into the axis of runs; an operand that all runs share keeps size 1."""
    pairs = list(zip(values, axes, strict=True))
    mapped = next(value.shape[axis] for value, axis in pairs if axis is not None)
    fronts = [v[None] if axis is None else jnp.moveaxis(v, axis, 0) for v, axis in pairs]
    runs = max(value.shape[1] for value in fronts)
    merged = []
    for value in fronts:
        shared = value.shape[:2] == (1, 1)
        sizes = (1, 1) if shared else (mapped, runs)
        whole = jnp.broadcast_to(value, (*sizes, *value.shape[2:]))
        merged.append(whole.reshape(-1, *value.shape[2:]))
    out = bind(primitive, *merged, window=window)
    return out.reshape(mapped, runs, *out.shape[1:]), 0


def _one_by_one(form: Form, a: Array, b: Array, window: Window) -> Array:
    """A loop over runs: on a CPU a single run already fills the cores and the cache."""
    own = [value for value in (a, b) if value.shape[0] > 1]

    def run(values: list[Array]) -> Array:
        rest = iter(values)
        return form(*(v[0] if v.shape[0] == 1 else next(rest) for v in (a, b)), window)

    out: Array = lax.map(run, own)
    return out


def _vmapped(form: Form, a: Array, b: Array, window: Window) -> Array:
    """All runs at once."""
    axes = [None if value.shape[0] == 1 else 0 for value in (a, b)]
    values = [v[0] if axis is None else v for v, axis in zip((a, b), axes, strict=True)]
    out: Array = jax.vmap(functools.partial(form, window=window), in_axes=axes)(*values)
    return out


def _convolution_lowering(single: Form, many: Form) -> Form:
    def lowered(x: Array, kernel: Array, *, window: Window) -> Array:
        if kernel.shape[0] > 1:
            return many(x, kernel, window)
        merged = single(x.reshape(-1, *x.shape[2:]), kernel[0], window)
        return merged.reshape(*x.shape[:2], *merged.shape[1:])

    return lowered


def _correlation_lowering(single: Form, many: Form) -> Form:
    def lowered(x: Array, g: Array, *, window: Window) -> Array:
        if x.shape[0] == g.shape[0] == 1:
            return single(x[0], g[0], window)[None]
        return many(x, g, window)

    return lowered


_convolution = new_primitive("convolution", _convolution_shape, _batched, static=("window",))
_correlation = new_primitive("correlation", _correlation_shape, _batched, static=("window",))
transpose_bilinear(_convolution, _to_images, _to_kernel)
# a correlation's transpose in the images swaps the roles of the kernel and g
transpose_bilinear(
    _correlation, lambda dk, x, g, *, window: _to_images(g, x, dk, window=window), _to_outputs
)
for _platform, _convolve, _correlate, _many in (
    ("cpu", (convolve_on_cpu,) * 2, (correlate_on_cpu,) * 2, _one_by_one),
    ("gpu", (convolve_by_lax, convolve_as_matmul), (correlate_by_lax, correlate_as_matmul),
     _vmapped),
    (None, (convolve_by_lax,) * 2, (correlate_by_lax,) * 2, _vmapped),
):  # fmt: skip
    for _made, _lowering, (_single, _form) in (
        (_convolution, _convolution_lowering, _convolve),
        (_correlation, _correlation_lowering, _correlate),
    ):
        lower(_made, _platform, _lowering(_single, functools.partial(_many, _form)))
