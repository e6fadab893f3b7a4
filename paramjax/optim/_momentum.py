"""Momentum: Polyak's heavy ball, and Nesterov's accelerated gradient."""

from __future__ import annotations

import optax

from paramjax._checks import check_rate
from paramjax._types import Array, Schedule
from paramjax.optim._chains import chain
from paramjax.optim._optimizer import Optimizer
from paramjax.space._distribution import Space
from paramjax.space._log_uniform import log_uniform
from paramjax.space._uniform import uniform


def momentum(
    learning_rate: float | Array | Schedule,
    momentum: float | Array = 0.9,
    *,
    clip_norm: float | None = None,
    weight_decay: float | Array = 0.0,
) -> optax.GradientTransformation:
    r"""$$m \leftarrow \mu m + g,\quad \theta \leftarrow \theta - \eta m$$

    Polyak (1964), Some methods of speeding up the convergence of iteration methods.

    Args:
        learning_rate: A number, a traced scalar, or a schedule of the update's index.
        momentum: Decay of the velocity, in [0, 1).
        clip_norm: Largest global norm let through; None does not clip.
        weight_decay: Decoupled decay, a number from 0 or a traced scalar.

    Returns:
        A gradient transformation.

    Raises:
        TypeError: If a hyperparameter is no number.
        ValueError: If the rate is NaN, infinite or negative, or the momentum outside [0, 1).

    Example:
        >>> import jax.numpy as jnp
        >>> tx = momentum(0.5, momentum=0.9)
        >>> updates, state = tx.update(jnp.ones(2), tx.init(jnp.zeros(2)))
        >>> tx.update(jnp.ones(2), state)[0].tolist()
        [-0.95, -0.95]
    """
    check_rate("momentum", momentum, high=1.0)
    direction = optax.trace(decay=momentum)
    return chain(direction, learning_rate, clip_norm=clip_norm, weight_decay=weight_decay)


def nesterov(
    learning_rate: float | Array | Schedule,
    momentum: float | Array = 0.9,
    *,
    clip_norm: float | None = None,
    weight_decay: float | Array = 0.0,
) -> optax.GradientTransformation:
    r"""$$m \leftarrow \mu m + g,\quad \theta \leftarrow \theta - \eta\,(\mu m + g)$$

    Nesterov (1983); in this form Sutskever et al. (2013), On the importance of
    initialization and momentum in deep learning, section 2.

    Args:
        learning_rate: A number, a traced scalar, or a schedule of the update's index.
        momentum: Decay of the velocity, in [0, 1).
        clip_norm: Largest global norm let through; None does not clip.
        weight_decay: Decoupled decay, a number from 0 or a traced scalar.

    Returns:
        A gradient transformation.

    Raises:
        TypeError: If a hyperparameter is no number.
        ValueError: If the rate is NaN, infinite or negative, or the momentum outside [0, 1).

    Example:
        >>> import jax.numpy as jnp
        >>> tx = nesterov(0.5, momentum=0.9)
        >>> tx.update(jnp.ones(2), tx.init(jnp.zeros(2)))[0].tolist()
        [-0.95, -0.95]
    """
    check_rate("momentum", momentum, high=1.0)
    direction = optax.trace(decay=momentum, nesterov=True)
    return chain(direction, learning_rate, clip_norm=clip_norm, weight_decay=weight_decay)


_SPACE: Space = {"learning_rate": log_uniform(1e-4, 1.0), "momentum": uniform(0.8, 0.99)}

MOMENTUM = Optimizer(
    name="momentum",
    factory=momentum,
    space=_SPACE,
    source="Polyak (1964), Some methods of speeding up the convergence of iteration methods",
)

NESTEROV = Optimizer(
    name="nesterov",
    factory=nesterov,
    space=_SPACE,
    source="Nesterov (1983), A method for solving a convex programming problem with rate 1/k^2",
)
