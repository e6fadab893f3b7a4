"""The one number of each example that is explained: an output, or the logit of a class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import describe
from paramjax._types import Array, Params

Function = Callable[[Params, Array], Array]
"""`(params, x) -> outputs`, such as a module's `apply`: [batch], or [batch, classes]."""

Target = int | Array | np.ndarray | None
"""The class whose output is explained, one for all examples or one for each [batch]."""


def as_numbers(name: str, value: Any) -> Array:
    """The value as an array; raise unless it is one, or a list or a frame of numbers."""
    try:
        if isinstance(value, Mapping):
            raise TypeError("a dict")
        return jnp.asarray(value)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name}: expected an array of numbers, got {describe(value)}; explain a function of "
            "one array, which may take it apart"
        ) from error


def checked_inputs(
    fn: Function, params: Params, x: Any, target: Target
) -> tuple[Array, Array | None]:
    """The inputs as an array, and a class for each example; raise unless `fn` can be explained."""
    if not callable(fn):
        raise TypeError(f"fn: expected a function (params, x) -> outputs, got {describe(fn)}")
    x = as_numbers("x", x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(
            f"x: expected floating-point inputs, which have a gradient, got {describe(x)}; explain "
            "a function of the embeddings of tokens in place of the tokens"
        )
    if x.ndim == 0 or x.size == 0:
        raise ValueError(
            f"x: expected [batch, ...] of at least one example, got {describe(x)}; pass x[None] "
            "for a single one"
        )
    outputs: Any = jax.eval_shape(fn, params, x)
    if not (hasattr(outputs, "dtype") and jnp.issubdtype(outputs.dtype, jnp.floating)):
        raise TypeError(f"fn: expected one floating-point array, got {outputs}")
    if target is None:
        _check_one_number(outputs, x)
        return x, None
    return x, _checked_target(target, outputs, x)


def _check_one_number(outputs: Any, x: Array) -> None:
    if outputs.shape not in {(x.shape[0],), (x.shape[0], 1)}:
        raise ValueError(
            f"fn: expected one number for each of the {x.shape[0]} examples, got {outputs.shape}; "
            "name the class with target=, or return a scalar function of the outputs"
        )


def _checked_target(target: Target, outputs: Any, x: Array) -> Array:
    """The class of each example, int[batch]."""
    if len(outputs.shape) != 2 or outputs.shape[0] != x.shape[0]:
        raise ValueError(
            f"target: expected fn to return [{x.shape[0]}, classes], got {outputs.shape}; leave "
            "target out for a function that returns one number for each example"
        )
    classes = jnp.asarray(target)
    if not jnp.issubdtype(classes.dtype, jnp.integer):
        raise TypeError(f"target: expected classes, integers, got {describe(target)}")
    if classes.shape not in {(), x.shape[:1]}:
        raise ValueError(
            f"target: expected a class, or one for each of the {x.shape[0]} examples, got shape "
            f"{classes.shape}"
        )
    if not isinstance(classes, jax.core.Tracer):
        wrong = np.asarray(classes)[(classes < 0) | (classes >= outputs.shape[1])]
        if wrong.size:
            raise ValueError(
                f"target: expected classes from 0 to {outputs.shape[1] - 1}, got {wrong.flat[0]}"
            )
    return jnp.broadcast_to(classes, x.shape[:1])


def explained(fn: Function, params: Params, x: Array, target: Array | None) -> Array:
    """The number that is explained, for each example, [batch]."""
    outputs = fn(params, x)
    if target is None:
        return outputs.reshape(x.shape[0])
    return jnp.take_along_axis(outputs, target[:, None], axis=1)[:, 0]


def gradient_of(fn: Function, params: Params, x: Array, target: Array | None) -> Array:
    """The gradient of each example's number with respect to that example.

    It is the gradient of their sum, which is the same where no example's output depends on others.
    """
    gradient: Array = jax.grad(lambda x: explained(fn, params, x, target).sum())(x)
    return gradient
