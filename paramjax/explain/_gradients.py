"""Gradients of an output with respect to the inputs, and their mean around each input."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_count, check_key, check_scalar
from paramjax._programs import owned_jit
from paramjax._types import Array, Key, Params
from paramjax.explain._outputs import Function, Target, checked_inputs, gradient_of


def input_gradients(fn: Function, params: Params, x: Any, *, target: Target = None) -> Array:
    r"""How an output changes with each input, to first order.

    $$g = \nabla_x f(x)$$
    for a class of a classifier the saliency map of Simonyan, Vedaldi and Zisserman (2014, Deep
    inside convolutional networks, section 3, there with its absolute value). Examples must not
    depend on one another: a model with batch normalisation is evaluated with its running
    statistics.

    Args:
        fn: `(params, x) -> outputs`, one number for each example, [batch] or [batch, 1]; with
            `target` a number for each class, [batch, classes].
        params: Its parameters, any pytree: with a model state `(params, model_state)`, and
            `fn=lambda both, x: net.evaluate(*both, x)`.
        x: Inputs, floating-point [batch, ...].
        target: The class whose output is explained, or one for each example, int[batch].

    Returns:
        Gradients, of the shape of `x`, in outputs per unit of input.

    Raises:
        TypeError: If the inputs are not floating-point, such as tokens; or the target or the
            outputs are of another type than described.
        ValueError: If `fn` does not return one number for each example, or the target is out of
            range or of another shape than described.

    Example:
        >>> fn = lambda w, x: x @ w
        >>> w = jnp.array([[1.0, -2.0], [0.5, 3.0]])
        >>> input_gradients(fn, w, jnp.ones((1, 2)), target=1).tolist()
        [[-2.0, 3.0]]
    """
    x, classes = checked_inputs(fn, params, x, target)
    return _gradient(fn, params, x, classes)


@owned_jit()
def _gradient(fn: Function, params: Params, x: Array, target: Array | None) -> Array:
    return gradient_of(fn, params, x, target)


def smooth_grad(
    fn: Function,
    params: Params,
    x: Any,
    key: Key,
    *,
    samples: int = 50,
    noise: float = 0.15,
    target: Target = None,
) -> Array:
    r"""The mean of the input gradients around each example, which shows less noise than one.

    $$\hat g = \frac 1 n \sum_{i=1}^n \nabla_x f(x + \epsilon_i), \quad
    \epsilon_i \sim N(0, \sigma^2 I)$$
    SmoothGrad (Smilkov et al., 2017, eq. 1), whose authors take a sigma of 0.1 to 0.2 of the range
    of an image's values.

    Args:
        fn: See `input_gradients`.
        params: Its parameters.
        x: Inputs, floating-point [batch, ...].
        key: A typed key; example and sample name their noise.
        samples: Number of noisy copies n of each example, positive.
        noise: Standard deviation of the noise, as a share of the largest value of an example less
            its smallest one, at least 0.
        target: See `input_gradients`.

    Returns:
        Mean gradients, of the shape of `x`.

    Raises:
        TypeError: If the key is a legacy one, or see `input_gradients`.
        ValueError: If `samples` or `noise` is out of range, or see `input_gradients`.

    Example:
        >>> square = lambda w, x: w * (x**2).sum(axis=1)
        >>> x = jnp.array([[1.0, -1.0]])
        >>> smooth_grad(square, 1.0, x, jax.random.key(0), samples=1, noise=0.0).tolist()
        [[2.0, -2.0]]
    """
    check_key(key)
    samples = check_count("samples", samples)
    check_scalar("noise", noise)
    x, classes = checked_inputs(fn, params, x, target)
    return _smoothed(fn, samples, params, x, classes, key, jnp.asarray(noise, x.dtype))


@owned_jit(static=2)
def _smoothed(
    fn: Function, samples: int, params: Params, x: Array, target: Array | None, key: Key,
    noise: Array,
) -> Array:  # fmt: skip
    inner = tuple(range(1, x.ndim))
    spread = noise * (x.max(inner, keepdims=True) - x.min(inner, keepdims=True))

    def add(total: Array, sample: Array) -> tuple[Array, None]:
        drawn = jax.random.normal(jax.random.fold_in(key, sample), x.shape, x.dtype)
        gradient = gradient_of(fn, params, x + jnp.broadcast_to(spread, x.shape) * drawn, target)
        return total + gradient.astype(total.dtype), None

    # the sum of many gradients in half precision would lose the last ones
    zero = jnp.zeros(x.shape, jnp.promote_types(x.dtype, jnp.float32))
    total, _ = jax.lax.scan(add, zero, jnp.arange(samples))
    return (total / samples).astype(x.dtype)
