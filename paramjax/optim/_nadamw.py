"""NAdamW: AdamW with Nesterov's look ahead in the first average."""

from __future__ import annotations

import optax

from paramjax._checks import check_rate
from paramjax._types import Array, Schedule
from paramjax.optim._chains import chain
from paramjax.optim._optimizer import Optimizer
from paramjax.space._log_uniform import log_uniform


def nadamw(
    learning_rate: float | Array | Schedule,
    weight_decay: float | Array = 1e-4,
    b1: float | Array = 0.9,
    b2: float | Array = 0.999,
    eps: float = 1e-8,
    *,
    clip_norm: float | None = None,
) -> optax.GradientTransformation:
    r"""AdamW along Nesterov's average instead of the plain one.

    $$\theta \leftarrow \theta - \eta\,\bigl(\bar m / (\sqrt{\hat v} + \epsilon)
      + \lambda\theta\bigr),\quad
      \bar m = \frac{\beta_1 m_t}{1 - \beta_1^{t+1}} + \frac{(1-\beta_1) g_t}{1 - \beta_1^t}$$

    Dozat (2016), Incorporating Nesterov momentum into Adam

    Args:
        learning_rate: A number, a traced scalar, or a schedule of the update's index.
        weight_decay: Decoupled decay, a number from 0 or a traced scalar.
        b1: Decay of the average of gradients, in [0, 1).
        b2: Decay of the average of squared gradients, in [0, 1).
        eps: Added to the root, so that it never divides by zero.
        clip_norm: Largest global norm let through; None does not clip.

    Returns:
        A gradient transformation.

    Raises:
        TypeError: If a hyperparameter is no number.
        ValueError: If the rate is NaN, infinite or negative, or a decay of averages is
            outside [0, 1).

    Example:
        >>> import jax.numpy as jnp
        >>> tx = nadamw(0.5)
        >>> updates, _ = tx.update(jnp.ones(2), tx.init(jnp.zeros(2)), jnp.zeros(2))
        >>> updates.tolist()
        [-0.737, -0.737]
    """
    check_rate("b1", b1, high=1.0)
    check_rate("b2", b2, high=1.0)
    direction = optax.scale_by_adam(b1=b1, b2=b2, eps=eps, nesterov=True)
    return chain(direction, learning_rate, clip_norm=clip_norm, weight_decay=weight_decay)


NADAMW = Optimizer(
    name="nadamw",
    factory=nadamw,
    space={
        "learning_rate": log_uniform(1e-4, 1e-1),
        "weight_decay": log_uniform(1e-5, 1.0),
    },
    source="Dozat (2016), Incorporating Nesterov momentum into Adam",
)
