"""Which form computes a convolution on a CPU: by a rule, or as measured on the machine.

Where runs share the cores, as those of a population, the form of least work is best; a large
product of a single run is computed by the form that is done first with all cores, see
docs/benchmarks/convolutions.md. Only that is noted for a measurement, see `paramjax._choices`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import jax

from paramjax._choices import Offer, choose, is_sharing_cores, offer
from paramjax._form_times import Form
from paramjax._types import Array
from paramjax.models._convolution_forms import (
    FEW,
    MANY,
    Window,
    convolve_as_matmul,
    convolve_by_lax,
    convolve_depthwise,
    convolve_in_chunks,
    correlate_as_matmul,
    correlate_depthwise,
    correlate_in_chunks,
    is_depthwise,
    kernel_shape,
    output_shape,
)

CONVOLUTIONS: dict[str, Form] = {
    "lax": convolve_by_lax,
    "chunks": convolve_in_chunks,
    "matmul": convolve_as_matmul,
}
"""Name -> form of a convolution without groups."""

CORRELATIONS: dict[str, Form] = {
    "image": functools.partial(correlate_in_chunks, pixels=FEW),
    "chunks": functools.partial(correlate_in_chunks, pixels=MANY),
    "matmul": correlate_as_matmul,
}
"""Name -> form of its kernel's gradient."""

LARGE = 2e7
"""Multiplications of a product that matters, a millisecond or so."""


ENOUGH = 288 * 64
"""Numbers of a kernel for which a chunk's matmuls outweigh the copies that they need."""


def convolve_on_cpu(x: Array, kernel: Array, window: Window) -> Array:
    """The convolution of one run; for depthwise kernels, a sum of shifted images times numbers."""
    if is_depthwise(x, window):
        return convolve_depthwise(x, kernel, window)
    if window.groups > 1:
        return convolve_by_lax(x, kernel, window)
    form = _form("convolution", x, kernel, window)
    out: Array = CONVOLUTIONS[form](x, kernel, window=window)
    return out


def correlate_on_cpu(x: Array, g: Array, window: Window) -> Array:
    """The kernel's gradient of one run."""
    if is_depthwise(x, window):
        return correlate_depthwise(x, g, window)
    if window.groups > 1:
        return correlate_as_matmul(x, g, window)
    out: Array = CORRELATIONS[_form("correlation", x, g, window)](x, g, window=window)
    return out


def _form(kind: str, x: Any, other: Any, window: Window) -> str:
    by_rule = _RULES[kind](x, other, window)
    if is_sharing_cores() or _size(kind, x, other, window) < LARGE:
        return by_rule[0]
    return choose(kind, (x, other), {"window": window}, by_rule[1])


def _asked(equation: Any) -> tuple[tuple[Any, Any], dict[str, Window], str] | None:
    """What `choose` is asked for a primitive with an axis of runs in front of its operands."""
    window, kind = equation.params["window"], equation.primitive.name
    x, other = (variable.aval for variable in equation.invars)
    if window.groups > 1:
        return None
    # runs that share a kernel are computed as one larger batch
    shared = kind == "convolution" and other.shape[0] == 1
    batch = (x.shape[0] * x.shape[1] if shared else x.shape[1], *x.shape[2:])
    x = jax.core.ShapedArray(batch, x.dtype)
    other = jax.core.ShapedArray(other.shape[1:], other.dtype)
    if _size(kind, x, other, window) < LARGE:
        return None
    return (x, other), {"window": window}, _RULES[kind](x, other, window)[1]


def _restored(details: dict[str, Any]) -> dict[str, Any]:
    size, pads, strides, dilation, spread, groups = details["window"]
    both = tuple((low, high) for low, high in pads)
    sides = tuple(strides), tuple(dilation), tuple(spread)
    return {"window": Window(tuple(size), both, *sides, groups)}


def _size(kind: str, x: Any, other: Any, window: Window) -> int:
    """The multiplications of a product."""
    correlated = kind == "correlation"
    outputs = other.shape if correlated else output_shape(x, other, window)
    kernel = kernel_shape(x, other, window) if correlated else other.shape
    size: int = math.prod(outputs) * math.prod(kernel[:-1])
    return size


def _convolution_rule(x: Any, kernel: Any, window: Window) -> tuple[str, str]:
    """The form that works least, and the one that is done first with all cores."""
    del window
    numbers: int = math.prod(kernel.shape[:-1])
    channels, features = kernel.shape[-2:]
    if channels > 1 and numbers <= features and math.prod(x.shape) > 0:
        return "lax", "matmul"  # the neighbourhoods are no larger than the output
    # Eigen takes one core for these widths
    one_core = 32 <= features <= 64 and numbers * features >= ENOUGH
    return "lax", "chunks" if one_core else "lax"


def _correlation_rule(x: Any, g: Any, window: Window) -> tuple[str, str]:
    """The same for a kernel's gradient."""
    if math.prod(kernel_shape(x, g, window)[:-1]) <= g.shape[-1] or math.prod(g.shape) == 0:
        return "matmul", "matmul"  # the neighbourhoods are no larger than g
    return "image", "chunks"


_RULES = {"convolution": _convolution_rule, "correlation": _correlation_rule}


def _described(kind: str, operands: Sequence[Any], details: dict[str, Any]) -> str:
    """Such as "convolution, float32 / 128x14x14x32 by 3x3x32x64", in lines."""
    x, other = operands
    window = details["window"]
    kernel = kernel_shape(x, other, window) if kind == "kernel gradient" else other.shape
    lines = [f"{kind}, {x.dtype}", f"{_sides(x.shape)} by {_sides(kernel)}"]
    special = {"strides": window.strides, "dilation": window.dilation, "spread": window.spread}
    lines += [f"{name} {_sides(sides)}" for name, sides in special.items() if max(sides) > 1]
    return "\n".join(lines)


def _sides(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


offer("convolution", Offer(
    CONVOLUTIONS, _restored, _asked, functools.partial(_described, "convolution")
))  # fmt: skip
offer("correlation", Offer(
    CORRELATIONS, _restored, _asked, functools.partial(_described, "kernel gradient")
))  # fmt: skip
