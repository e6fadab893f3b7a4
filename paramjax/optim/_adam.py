"""Adam: RMSprop with momentum, both averages corrected for their start at zero."""

from __future__ import annotations

import optax

from paramjax._checks import check_rate
from paramjax._types import Array, Schedule
from paramjax.optim._chains import chain
from paramjax.optim._optimizer import Optimizer
from paramjax.space._log_uniform import log_uniform
from paramjax.space._uniform import uniform


def adam(
    learning_rate: float | Array | Schedule,
    b1: float | Array = 0.9,
    b2: float | Array = 0.999,
    eps: float = 1e-8,
    *,
    clip_norm: float | None = None,
    weight_decay: float | Array = 0.0,
) -> optax.GradientTransformation:
    r"""$$\theta \leftarrow \theta - \eta\, \hat m / (\sqrt{\hat v} + \epsilon)$$

    Kingma and Ba (2015), Adam: a method for stochastic optimization, algorithm 1

    Args:
        learning_rate: A number, a traced scalar, or a schedule of the update's index.
        b1: Decay of the average of gradients, in [0, 1).
        b2: Decay of the average of squared gradients, in [0, 1).
        eps: Added to the root, so that it never divides by zero.
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
        >>> tx = adam(0.5)
        >>> updates, _ = tx.update(jnp.ones(2), tx.init(jnp.zeros(2)), jnp.zeros(2))
        >>> updates.tolist()
        [-0.5, -0.5]
    """
    check_rate("b1", b1, high=1.0)
    check_rate("b2", b2, high=1.0)
    direction = optax.scale_by_adam(b1=b1, b2=b2, eps=eps)
    return chain(direction, learning_rate, clip_norm=clip_norm, weight_decay=weight_decay)


ADAM = Optimizer(
    name="adam",
    factory=adam,
    space={
        "learning_rate": log_uniform(1e-4, 1e-1),
        "b1": uniform(0.8, 0.98),
    },
    source="Kingma and Ba (2015), Adam: a method for stochastic optimization, algorithm 1",
)
