"""RMSprop: gradients divided by the root of their running mean square."""

from __future__ import annotations

import optax

from paramjax._checks import check_rate
from paramjax._types import Array, Schedule
from paramjax.optim._chains import chain
from paramjax.optim._optimizer import Optimizer
from paramjax.space._log_uniform import log_uniform
from paramjax.space._uniform import uniform


def rmsprop(
    learning_rate: float | Array | Schedule,
    decay: float | Array = 0.9,
    eps: float = 1e-8,
    *,
    clip_norm: float | None = None,
    weight_decay: float | Array = 0.0,
) -> optax.GradientTransformation:
    r"""$$v \leftarrow \rho v + (1-\rho)g^2,\quad
      \theta \leftarrow \theta - \eta\, g/\sqrt{v + \epsilon}$$

    Tieleman and Hinton (2012), Lecture 6.5, Neural networks for machine learning

    Args:
        learning_rate: A number, a traced scalar, or a schedule of the update's index.
        decay: Decay of the average of squared gradients, in [0, 1).
        eps: Added under the root.
        clip_norm: Largest global norm let through; None does not clip.
        weight_decay: Decoupled decay, a number from 0 or a traced scalar.

    Returns:
        A gradient transformation.

    Raises:
        TypeError: If a hyperparameter is no number.
        ValueError: If the rate is NaN, infinite or negative, or a decay of averages is
            outside [0, 1).

    Example:
        >>> import jax.numpy as jnp
        >>> tx = rmsprop(0.5)
        >>> updates, _ = tx.update(jnp.ones(2), tx.init(jnp.zeros(2)), jnp.zeros(2))
        >>> updates.tolist()
        [-1.581, -1.581]
    """
    check_rate("decay", decay, high=1.0)
    direction = optax.scale_by_rms(decay=decay, eps=eps)
    return chain(direction, learning_rate, clip_norm=clip_norm, weight_decay=weight_decay)


RMSPROP = Optimizer(
    name="rmsprop",
    factory=rmsprop,
    space={
        "learning_rate": log_uniform(1e-5, 1e-1),
        "decay": uniform(0.9, 0.999),
    },
    source="Tieleman and Hinton (2012), Lecture 6.5, Neural networks for machine learning",
)
