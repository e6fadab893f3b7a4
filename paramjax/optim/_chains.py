"""The chain that every optimizer of the registry is: clip, direction, decay, rate."""

from __future__ import annotations

import optax

from paramjax._checks import check_rate
from paramjax._types import Array, Schedule
from paramjax.optim._learning_rate import scale_by_learning_rate


def chain(
    direction: optax.GradientTransformation,
    learning_rate: float | Array | Schedule,
    *,
    clip_norm: float | None = None,
    weight_decay: float | Array = 0.0,
) -> optax.GradientTransformation:
    r"""Clip by global norm -> optimizer -> decoupled decay -> schedule.

    $$g' = g\,\min(1, c/\lVert g\rVert),\quad d = D(g'),\quad
      \theta \leftarrow \theta - \eta_t\,(d + \lambda\theta)$$
    with clipping after Pascanu et al. (2013, algorithm 1) and decay after Loshchilov and
    Hutter (2019, algorithm 2, with the schedule multiplier and rate in one).

    Args:
        direction: What the optimizer makes of a gradient before any rate, such as
            `optax.scale_by_adam()`.
        learning_rate: A number, a traced scalar, or a schedule of the update's index.
        clip_norm: Largest global norm let through, positive; None does not clip.
        weight_decay: Decoupled decay, a number from 0 or a traced scalar.

    Returns:
        A gradient transformation.

    Raises:
        TypeError: If a number is none, or `direction` is no gradient transformation.
        ValueError: If the rate or the decay is NaN, infinite or negative, or the norm is
            not positive.

    Example:
        >>> import jax.numpy as jnp
        >>> tx = chain(optax.scale_by_adam(), 0.1, clip_norm=1.0)
        >>> updates, _ = tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)))
        >>> updates.tolist()
        [-0.1, -0.1]
    """
    if not isinstance(direction, optax.GradientTransformation):
        raise TypeError(
            "chain: expected a gradient transformation such as optax.scale_by_adam(), got "
            f"{type(direction).__name__}"
        )
    check_rate("weight_decay", weight_decay)
    decays = not (isinstance(weight_decay, int | float) and weight_decay == 0)
    links = [direction]
    if clip_norm is not None:
        check_rate("clip_norm", clip_norm, low=1e-30)
        links.insert(0, optax.clip_by_global_norm(clip_norm))
    if decays:
        links.append(optax.add_decayed_weights(weight_decay))
    return optax.chain(*links, scale_by_learning_rate(learning_rate))
