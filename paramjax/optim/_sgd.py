"""Stochastic gradient descent."""

from __future__ import annotations

import optax

from paramjax._types import Array, Schedule
from paramjax.optim._chains import chain
from paramjax.optim._optimizer import Optimizer
from paramjax.space._log_uniform import log_uniform


def sgd(
    learning_rate: float | Array | Schedule,
    *,
    clip_norm: float | None = None,
    weight_decay: float | Array = 0.0,
) -> optax.GradientTransformation:
    r"""$$\theta \leftarrow \theta - \eta g$$

    Robbins and Monro (1951), A stochastic approximation method

    Args:
        learning_rate: A number, a traced scalar, or a schedule of the update's index.
        clip_norm: Largest global norm let through; None does not clip.
        weight_decay: Decoupled decay, a number from 0 or a traced scalar.

    Returns:
        A gradient transformation.

    Raises:
        TypeError: If a hyperparameter is no number.
        ValueError: If the rate is NaN, infinite or negative.

    Example:
        >>> import jax.numpy as jnp
        >>> tx = sgd(0.5)
        >>> updates, _ = tx.update(jnp.ones(2), tx.init(jnp.zeros(2)), jnp.zeros(2))
        >>> updates.tolist()
        [-0.5, -0.5]
    """
    direction = optax.identity()
    return chain(direction, learning_rate, clip_norm=clip_norm, weight_decay=weight_decay)


SGD = Optimizer(
    name="sgd",
    factory=sgd,
    space={
        "learning_rate": log_uniform(1e-3, 10.0),
    },
    source="Robbins and Monro (1951), A stochastic approximation method",
)
