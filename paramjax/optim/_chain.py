"""The common chain: clip, direction, decay, and a learning rate that metrics can read."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from paramjax._checks import INT32_MAX, check_learning_rate, check_rate
from paramjax._types import Array, Params, PyTree, Schedule


class LearningRateState(NamedTuple):
    """State of `scale_by_learning_rate`.

    Attributes:
        step: Updates so far, int32[].
        learning_rate: The rate of the last update, float32[]; before it, of the first.
    """

    step: Array
    learning_rate: Array


def scale_by_learning_rate(learning_rate: float | Array | Schedule) -> optax.GradientTransformation:
    r"""$$u_t = -\eta_t\, d_t$$ with the rate $\eta_t$ kept in the state.

    As `optax.scale_by_learning_rate`, whose state does not hold the rate.

    Args:
        learning_rate: A number, a traced scalar, or a schedule of the update's index.

    Returns:
        A gradient transformation.

    Raises:
        TypeError: If the rate is not a number.
        ValueError: If it is NaN, infinite or negative.

    Example:
        >>> tx = scale_by_learning_rate(0.5)
        >>> updates, state = tx.update(jnp.ones(2), tx.init(jnp.zeros(2)))
        >>> updates.tolist(), float(state.learning_rate)
        ([-0.5, -0.5], 0.5)
    """
    check_learning_rate(learning_rate)

    def rate(count: Array) -> Array:
        value: Any = learning_rate(count) if callable(learning_rate) else learning_rate
        return jnp.asarray(value, jnp.float32)

    def init(params: Params) -> LearningRateState:
        del params
        count = jnp.zeros([], jnp.int32)
        return LearningRateState(count, rate(count))

    def update(
        updates: PyTree, state: LearningRateState, params: Params | None = None
    ) -> tuple[PyTree, LearningRateState]:
        del params
        now = rate(state.step)
        scaled = jax.tree.map(lambda u: -now.astype(u.dtype) * u, updates)
        count = jnp.minimum(state.step, INT32_MAX - 1) + 1
        return scaled, LearningRateState(count, now)

    return optax.GradientTransformation(init, update)


def chain(
    direction: optax.GradientTransformation,
    learning_rate: float | Array | Schedule,
    *,
    clip_norm: float | None = None,
    weight_decay: float | Array = 0.0,
) -> optax.GradientTransformation:
    r"""Clip by global norm -> direction -> decoupled decay -> schedule.

    $$g' = g\,\min(1, c/\lVert g\rVert),\quad d = D(g'),\quad
      \theta \leftarrow \theta - \eta_t\,(d + \lambda\theta)$$
    with clipping after Pascanu et al. (2013, algorithm 1) and decay after Loshchilov and
    Hutter (2019, algorithm 2, with the schedule multiplier and rate in one).

    Args:
        direction: What the optimizer makes of a gradient before any rate, such as
            `optax.scale_by_adam()`.
        learning_rate: A number, a traced scalar, or a schedule of the update's index.
        clip_norm: Global norm above which gradients are scaled down to it, positive; None
            does not clip.
        weight_decay: Decoupled decay, a number from 0 or a traced scalar.

    Returns:
        A gradient transformation.

    Raises:
        TypeError: If a rate, decay or norm is not a number, or `direction` is not a gradient
            transformation.
        ValueError: If the rate or the decay is NaN, infinite or negative, or the norm is
            not positive.

    Example:
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
    links = [direction]
    if clip_norm is not None:
        check_rate("clip_norm", clip_norm, low=1e-30)
        links.insert(0, optax.clip_by_global_norm(clip_norm))
    if not (isinstance(weight_decay, int | float) and weight_decay == 0):
        links.append(optax.add_decayed_weights(weight_decay))
    return optax.chain(*links, scale_by_learning_rate(learning_rate))
