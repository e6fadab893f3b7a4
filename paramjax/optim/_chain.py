"""The common chain: penalty, clipping, direction, decay, a learning rate that metrics can read."""

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
    clip_value: float | Array | None = None,
    clip_block_norm: float | Array | None = None,
    clip_norm: float | Array | None = None,
    l2: float | Array = 0.0,
    weight_decay: float | Array = 0.0,
) -> optax.GradientTransformation:
    r"""Coupled decay -> clipping -> direction -> decoupled decay -> schedule.

    $$g' = C(g + \lambda_2\,\theta),\quad d = D(g'),\quad
      \theta \leftarrow \theta - \eta_t\,(d + \lambda\,\theta)$$
    The two decays are told apart by their names. `l2` is coupled: it is the gradient of the
    penalty $\tfrac{\lambda_2}{2} \lVert\theta\rVert^2$, so that the direction sees it, and an
    adaptive one divides it by the size of the gradient. `weight_decay` is decoupled: it goes
    around the direction (Loshchilov and Hutter, 2019, algorithm 2, lines 6 and 12, with the
    schedule multiplier and rate in one). For plain gradient descent they are the same.

    Of the clippings each that is given takes its turn, by value, by block, by norm:
    $g_i \leftarrow \min(\max(g_i, -c), c)$ for each element; $g_b \leftarrow g_b \min(1, c /
    \lVert g_b \rVert)$ for each array of the parameters; $g \leftarrow g \min(1, c /
    \lVert g \rVert)$ for all together (Pascanu et al., 2013, algorithm 1). The last alone keeps
    the direction of the gradient. The metric `grad_norm` of a step is the norm before them.

    Args:
        direction: What the optimizer makes of a gradient before any rate, such as
            `optax.scale_by_adam()`.
        learning_rate: A number, a traced scalar, or a schedule of the update's index.
        clip_value: Size at which each element is cut, positive or traced; None does not clip.
        clip_block_norm: Norm to which each array is scaled down, likewise.
        clip_norm: Global norm to which the gradient is scaled down, likewise.
        l2: Coupled decay, a number from 0 or a traced scalar.
        weight_decay: Decoupled decay, a number from 0 or a traced scalar.

    Returns:
        A gradient transformation.

    Raises:
        TypeError: If a rate, decay or norm is not a number, or `direction` is not a gradient
            transformation.
        ValueError: If the rate or a decay is NaN, infinite or negative, or a size to clip at is
            not positive.

    Example:
        >>> tx = chain(optax.scale_by_adam(), 0.1, clip_norm=1.0)
        >>> updates, _ = tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)))
        >>> updates.tolist()
        [-0.1, -0.1]
        >>> tx = chain(optax.identity(), 1.0, clip_value=3.5)
        >>> tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)))[0].tolist()
        [-3.0, -3.5]
    """
    if not isinstance(direction, optax.GradientTransformation):
        raise TypeError(
            "chain: expected a gradient transformation such as optax.scale_by_adam(), got "
            f"{type(direction).__name__}"
        )
    check_rate("weight_decay", weight_decay)
    before = gradient_links(
        clip_value=clip_value, clip_block_norm=clip_block_norm, clip_norm=clip_norm, l2=l2
    )
    decay = [] if _is_zero(weight_decay) else [optax.add_decayed_weights(weight_decay)]
    return optax.chain(*before, direction, *decay, scale_by_learning_rate(learning_rate))


def gradient_links(
    *,
    clip_value: float | Array | None = None,
    clip_block_norm: float | Array | None = None,
    clip_norm: float | Array | None = None,
    l2: float | Array = 0.0,
) -> list[optax.GradientTransformation]:
    """What happens to a gradient before its direction is taken; see `chain`."""
    check_rate("l2", l2)
    sizes = {"clip_value": clip_value, "clip_block_norm": clip_block_norm, "clip_norm": clip_norm}
    makers = (optax.clip, _clip_by_block_norm, optax.clip_by_global_norm)
    links = [] if _is_zero(l2) else [optax.add_decayed_weights(l2)]
    for (name, size), make in zip(sizes.items(), makers, strict=True):
        if size is not None:
            check_rate(name, size, low=1e-30)
            links.append(make(size))
    return links


def _clip_by_block_norm(size: Any) -> optax.GradientTransformation:
    """Scale each array whose norm is larger down to it."""

    def shrunk(leaf: Array) -> Array:
        wide = leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))
        norm = jnp.linalg.norm(wide.ravel())
        shrunken: Array = (wide * (size / jnp.maximum(norm, size))).astype(leaf.dtype)
        return shrunken

    return optax.stateless(lambda updates, params: jax.tree.map(shrunk, updates))


def _is_zero(number: Any) -> bool:
    return isinstance(number, int | float) and number == 0
