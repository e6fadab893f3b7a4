"""The last link of a chain: minus the learning rate, kept where metrics can read it."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from paramjax._checks import INT32_MAX, check_learning_rate
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

    As `optax.scale_by_learning_rate`, which forgets the rate it used.

    Args:
        learning_rate: A number, a traced scalar, or a schedule of the update's index.

    Returns:
        A gradient transformation.

    Raises:
        TypeError: If the rate is no number.
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
