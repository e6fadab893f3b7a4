"""The dense layer: flax's parameters and values, fast where it has few outputs."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
from jax import lax

from paramjax._types import Array
from paramjax.models._primitives import bind, lower, new_primitive, transpose_linear

NARROW = 12
"""A kernel of up to so many outputs, and more inputs, is read transposed: on a CPU that takes 0.2
to 1.0 of the time, forward and backward. With 16 outputs, mapped runs of one row take twice the
time; with 32 all other cases take longer, too."""


def product(x: Array, kernel: Array, dimension_numbers: Any = None, **options: Any) -> Array:
    r"""$$y_{n,f} = \sum_c x_{n,c}\, k_{c,f}$$, with `dot_general`'s arguments as flax passes them.

    The kernel's gradient is the product of the transposed inputs with the output's gradient. XLA
    on a CPU has no fast form of it for few outputs, but one for the gradient of the transposed
    kernel, [outputs, inputs]. So a narrow kernel is transposed first, and a barrier there keeps
    XLA from fusing the transpose into the product again. Other platforms fuse it, at no cost.
    """
    del dimension_numbers
    inputs, outputs = kernel.shape
    narrow = 1 < outputs <= NARROW and outputs < inputs
    kernel = bind(_unfused, kernel.T) if narrow else kernel
    return lax.dot_general(x, kernel, (((x.ndim - 1,), (int(narrow),)), ((), ())), **options)


class Dense(nn.Dense):
    """flax's `nn.Dense`, with the same attributes, names, parameters and values.

    Only its `dot_general` differs: it is faster where a layer has few outputs, such as the one
    before the logits.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> params = Dense(10).init(jax.random.key(0), jnp.zeros((1, 64)))
        >>> Dense(10).apply(params, jnp.ones((5, 64))).shape
        (5, 10)
    """

    dot_general: Any = product


_unfused = new_primitive("unfused", lambda x: x, lambda this, xs, axes: (bind(this, *xs), *axes))
"""The identity, which XLA on a CPU does not fuse with other operations."""

transpose_linear(_unfused, lambda g, _: [bind(_unfused, g)])
lower(_unfused, None, lambda x: x)
lower(_unfused, "cpu", lax.optimization_barrier)
