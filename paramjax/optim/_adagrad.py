"""AdaGrad: rates that shrink with the squares seen so far."""

from __future__ import annotations

import optax

from paramjax._types import Array, Schedule
from paramjax.optim._chains import chain
from paramjax.optim._optimizer import Optimizer
from paramjax.space._log_uniform import log_uniform


def adagrad(
    learning_rate: float | Array | Schedule,
    initial_accumulator_value: float = 0.1,
    eps: float = 1e-7,
    *,
    clip_norm: float | None = None,
    weight_decay: float | Array = 0.0,
) -> optax.GradientTransformation:
    r"""$$\theta \leftarrow \theta - \eta\, g / \sqrt{\textstyle\sum_{s\le t} g_s^2 + \epsilon}$$

    Duchi, Hazan and Singer (2011), Adaptive subgradient methods

    Args:
        learning_rate: A number, a traced scalar, or a schedule of the update's index.
        initial_accumulator_value: Where the sum of squares starts.
        eps: Added under the root.
        clip_norm: Largest global norm let through; None does not clip.
        weight_decay: Decoupled decay, a number from 0 or a traced scalar.

    Returns:
        A gradient transformation.

    Raises:
        TypeError: If a hyperparameter is no number.
        ValueError: If the rate is NaN, infinite or negative.

    Example:
        >>> import jax.numpy as jnp
        >>> tx = adagrad(0.5)
        >>> updates, _ = tx.update(jnp.ones(2), tx.init(jnp.zeros(2)), jnp.zeros(2))
        >>> updates.tolist()
        [-0.477, -0.477]
    """
    direction = optax.scale_by_rss(initial_accumulator_value=initial_accumulator_value, eps=eps)
    return chain(direction, learning_rate, clip_norm=clip_norm, weight_decay=weight_decay)


ADAGRAD = Optimizer(
    name="adagrad",
    factory=adagrad,
    space={
        "learning_rate": log_uniform(1e-3, 1.0),
    },
    source="Duchi, Hazan and Singer (2011), Adaptive subgradient methods",
)
