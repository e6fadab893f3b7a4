"""The dense layer: flax's parameters and values, fast where it has few outputs."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching

from paramjax._types import Array
from paramjax.models._lowering import lower

NARROW = 12
"""Up to so many outputs the kernel is read transposed: on a CPU 0.2 to 1.0 of the time, forward and
backward, with more inputs than outputs. With 16 mapped runs of one row take twice the time, with
32 all others, too, take longer."""


def product(x: Array, kernel: Array, dimension_numbers: Any = None, **options: Any) -> Array:
    r"""The product of inputs with the kernel of a dense layer.

    $$y_{n,f} = \sum_c x_{n,c}\, k_{c,f}$$

    The kernel's gradient is the product of the transposed inputs with the output's gradient. XLA
    on a CPU has no fast form of it for few outputs, but one for the gradient of the transposed
    kernel, [outputs, inputs]. So a narrow kernel is transposed first, and kept apart from the
    product there, or XLA would make one of both again. Elsewhere it does, at no cost.

    Args:
        x: ``[..., inputs]``.
        kernel: ``[inputs, outputs]``, of the same dtype.
        dimension_numbers: Those by which flax names the axes of this very product.
        options: Others of `jax.lax.dot_general`, as `precision`.

    Returns:
        ``[..., outputs]``.

    Example:
        >>> import jax.numpy as jnp
        >>> product(jnp.ones((1, 3)), jnp.arange(6.0).reshape(3, 2)).tolist()
        [[6.0, 9.0]]
    """
    del dimension_numbers
    inputs, outputs = kernel.shape
    narrow = 1 < outputs <= NARROW and outputs < inputs
    kernel = _apart.bind(kernel.T) if narrow else kernel
    return lax.dot_general(x, kernel, (((x.ndim - 1,), (int(narrow),)), ((), ())), **options)


class Dense(nn.Dense):
    """flax's `nn.Dense`, of the same attributes, names, parameters and values.

    Only `dot_general` is another one, which is faster where a layer has few outputs, as that
    before the logits has.

    Example:
        >>> import jax.numpy as jnp
        >>> params = Dense(10).init(jax.random.key(0), jnp.zeros((1, 64)))
        >>> Dense(10).apply(params, jnp.ones((5, 64))).shape
        (5, 10)
    """

    dot_general: Any = product


_apart = Primitive("apart")
"""The identity, which XLA on a CPU does not make one operation of with others."""

_apart.def_abstract_eval(lambda x: x)
_apart.def_impl(jax.jit(_apart.bind))
ad.deflinear2(_apart, lambda g, _: [_apart.bind(g)])
batching.primitive_batchers[_apart] = lambda values, axes: (_apart.bind(*values), *axes)
lower(_apart, None, lambda x: x)
lower(_apart, "cpu", lax.optimization_barrier)
