"""What monitors share: the gradient they look at, and norms that half precision can hold."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax.train.hooks.hook import Observation
from paramjax.types import Array, ModelState, PyTree


def carried(observation: Observation) -> tuple[ModelState, ...]:
    """What a stateful estimator and its loss take between parameters and batch.

    Args:
        observation: What a monitor sees.

    Returns:
        `(model_state,)`, or `()` where the estimator is not stateful.

    Example:
        >>> from paramjax.train.gradients import GradFn
        >>> stateless = GradFn(lambda params, batch, key: (params, 0.0, {}))
        >>> carried(Observation(None, None, None, None, None, stateless))
        ()
    """
    return (observation.state.model_state,) if observation.grad_fn.stateful else ()


def mean_gradient(observation: Observation, grads: PyTree) -> PyTree:
    """The gradient of the batch, also where the estimator gives one for each example.

    Args:
        observation: What a monitor sees.
        grads: What its estimator gave; per example, leaves [batch, ...].

    Returns:
        A pytree like the parameters.

    Example:
        >>> from paramjax.train.gradients import GradFn
        >>> each = GradFn(lambda params, batch, key: (params, 0.0, {}), per_example=True)
        >>> seen = Observation(None, None, None, None, None, each)
        >>> mean_gradient(seen, jnp.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
        [2.0, 3.0]
    """
    if not observation.grad_fn.per_example:
        return grads
    return jax.tree.map(lambda g: g.mean(0), grads)


def square_norm(leaf: Any) -> Array:
    """The sum of the squared entries, added up in float32 or wider.

    Args:
        leaf: An array of any shape and floating-point dtype.

    Returns:
        float32[], or wider where the leaf is.

    Example:
        >>> float(square_norm(jnp.full(1000, 0.1, jnp.bfloat16)))
        10.02
    """
    size = jnp.abs(leaf)
    return jnp.sum(jnp.square(size.astype(jnp.promote_types(size.dtype, "f4"))))


def total_square(tree: PyTree) -> Array:
    """The squared global norm of a tree.

    Args:
        tree: A pytree of arrays.

    Returns:
        float32[].

    Example:
        >>> float(total_square({"w": jnp.array([3.0]), "b": jnp.array([4.0])}))
        25.0
    """
    return sum(map(square_norm, jax.tree.leaves(tree)), jnp.float32(0)).astype(jnp.float32)
