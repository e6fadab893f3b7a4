"""Lion: the sign of an interpolated momentum."""

from __future__ import annotations

import optax

from paramjax._checks import check_rate
from paramjax._types import Array, Schedule
from paramjax.optim._chains import chain
from paramjax.optim._optimizer import Optimizer
from paramjax.space._log_uniform import log_uniform


def lion(
    learning_rate: float | Array | Schedule,
    weight_decay: float | Array = 1e-3,
    b1: float | Array = 0.9,
    b2: float | Array = 0.99,
    *,
    clip_norm: float | None = None,
) -> optax.GradientTransformation:
    r"""Every coordinate moves by the rate, in the direction of an interpolated momentum.

    $$\theta \leftarrow \theta - \eta\,\bigl(\operatorname{sign}(\beta_1 m + (1-\beta_1) g)
      + \lambda\theta\bigr),\quad m \leftarrow \beta_2 m + (1-\beta_2) g$$

    Chen et al. (2023), Symbolic discovery of optimization algorithms, algorithm 2

    Args:
        learning_rate: A number, a traced scalar, or a schedule of the update's index.
        weight_decay: Decoupled decay, a number from 0 or a traced scalar.
        b1: Weight of the momentum in the direction, in [0, 1).
        b2: Decay of the momentum, in [0, 1).
        clip_norm: Largest global norm let through; None does not clip.

    Returns:
        A gradient transformation.

    Raises:
        TypeError: If a hyperparameter is no number.
        ValueError: If the rate is NaN, infinite or negative, or a decay of averages is
            outside [0, 1).

    Example:
        >>> import jax.numpy as jnp
        >>> tx = lion(0.5)
        >>> updates, _ = tx.update(jnp.ones(2), tx.init(jnp.zeros(2)), jnp.zeros(2))
        >>> updates.tolist()
        [-0.5, -0.5]
    """
    check_rate("b1", b1, high=1.0)
    check_rate("b2", b2, high=1.0)
    direction = optax.scale_by_lion(b1=b1, b2=b2)
    return chain(direction, learning_rate, clip_norm=clip_norm, weight_decay=weight_decay)


LION = Optimizer(
    name="lion",
    factory=lion,
    space={
        "learning_rate": log_uniform(1e-5, 1e-2),
        "weight_decay": log_uniform(1e-4, 10.0),
    },
    source="Chen et al. (2023), Symbolic discovery of optimization algorithms, algorithm 2",
)
