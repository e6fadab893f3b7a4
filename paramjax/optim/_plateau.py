"""A factor of the updates that shrinks when validation no longer improves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from paramjax._checks import check_count, check_rate, describe
from paramjax._types import Array, Params, PyTree


class PlateauState(NamedTuple):
    """State of `reduce_on_plateau`: how validation went, and its settings.

    Attributes:
        scale: Factor of the updates, float32[], as all numbers here float64[] where 64 bits are
            enabled; 1 at first.
        best: The lowest score so far, float32[]; the largest number at first.
        waited: Validations since the best one, int32[]; those during a cooldown do not count.
        cooling: Validations until the cooldown ends, int32[].
        factor: As given, float32[].
        patience: As given, int32[].
        min_delta: As given, float32[].
        min_scale: As given, float32[].
        cooldown: As given, int32[].
    """

    scale: Array
    best: Array
    waited: Array
    cooling: Array
    factor: Array
    patience: Array
    min_delta: Array
    min_scale: Array
    cooldown: Array


def reduce_on_plateau(
    factor: float | Array = 0.5,
    patience: int | Array = 5,
    *,
    min_delta: float | Array = 0.0,
    min_scale: float | Array = 0.0,
    cooldown: int | Array = 0,
) -> optax.GradientTransformation:
    r"""$$u_t = s\, d_t$$ with a scale $s$ that shrinks when validation no longer improves.

    For the end of a chain: `optax.chain(optax.adamw(1e-3), reduce_on_plateau())`. The scale
    does not change during the steps; `fit` calls `update_plateau` after each validation. After
    `patience` validations in a row without improvement the scale becomes
    $\max(\gamma s, s_\text{min})$, and the next `cooldown` validations do not count. As
    `optax.contrib.reduce_on_plateau(factor, patience, rtol=0, atol=min_delta)` given the scores,
    and as PyTorch's ReduceLROnPlateau with a patience that is one less.

    Args:
        factor: Factor $\gamma$ of each reduction, in (0, 1).
        patience: Validations without improvement before a reduction, positive.
        min_delta: How much lower than the best a score must be to count as an improvement, at
            least 0, in the unit of the score.
        min_scale: The smallest scale, in [0, 1).
        cooldown: Validations after a reduction that do not count, at least 0.

    Returns:
        A gradient transformation. All five arguments may be traced.

    Raises:
        TypeError: If an argument is not a number, or a count is not a whole number.
        ValueError: If an argument is out of range.

    Example:
        >>> tx = reduce_on_plateau(factor=0.5, patience=1)
        >>> state = tx.init(jnp.zeros(2))
        >>> for score in (3.0, 2.0, 2.0):
        ...     state = update_plateau(state, score)
        >>> tx.update(jnp.ones(2), state)[0].tolist()
        [0.5, 0.5]
    """
    numbers = {"factor": factor, "min_delta": min_delta, "min_scale": min_scale}
    counts = {"patience": patience, "cooldown": cooldown}
    _check_numbers(numbers)
    _check_counts(counts)

    def init(params: Params) -> PlateauState:
        del params
        # copies, because a step may donate its state but not the caller's arrays
        wide = jnp.result_type(float)  # scores are compared in 64 bits where these are enabled
        own = {name: jnp.array(value, wide) for name, value in numbers.items()}
        own |= {name: jnp.array(value, jnp.int32) for name, value in counts.items()}
        # not infinite, which would be an alarm under `jax_debug_infs`
        best = jnp.full([], float(np.finfo(wide).max), wide)
        waited, cooling = jnp.zeros([], jnp.int32), jnp.zeros([], jnp.int32)
        return PlateauState(jnp.ones([], wide), best, waited, cooling, **own)

    return scaling(init)


def has_plateau(state: PyTree) -> bool:
    """Whether a state holds a `PlateauState`, so that validation is needed.

    Args:
        state: A pytree, such as a `TrainState`.

    Returns:
        True if `update_plateau` would change something.

    Example:
        >>> has_plateau(optax.chain(optax.sgd(0.1), reduce_on_plateau()).init(jnp.zeros(2)))
        True
    """
    return any(map(_is_plateau, jax.tree.leaves(state, is_leaf=_is_plateau)))


def update_plateau(state: PyTree, score: float | Array) -> PyTree:
    """Record a validation score in every plateau of a state.

    Args:
        state: A pytree, such as a `TrainState`.
        score: The score, lower is better; one that is not finite counts as no improvement.

    Returns:
        The state; everything else in it is unchanged.

    Example:
        >>> state = reduce_on_plateau(factor=0.1, patience=1).init(jnp.zeros(2))
        >>> float(update_plateau(update_plateau(state, 2.0), jnp.inf).scale)
        0.1
    """

    def updated(node: Any) -> Any:
        if not _is_plateau(node):
            return node
        return _after_validation(node, jnp.asarray(score, node.best.dtype))

    return jax.tree.map(updated, state, is_leaf=_is_plateau)


def scaling(init: Callable[[Params], Any]) -> optax.GradientTransformation:
    """Multiply updates, in their own dtypes, by the `scale` of the state."""

    def update(updates: PyTree, state: Any, params: Params | None = None) -> tuple[PyTree, Any]:
        del params
        return jax.tree.map(lambda u: state.scale.astype(u.dtype) * u, updates), state

    return optax.GradientTransformation(init, update)


def _after_validation(state: PlateauState, score: Array) -> PlateauState:
    """The plateau after one more validation."""
    better = jnp.isfinite(score) & (score < state.best - state.min_delta)
    cools = state.cooling > 0
    waited = jnp.where(better | cools, 0, state.waited + 1)
    reduces = waited >= state.patience
    reduced = jnp.maximum(state.scale * state.factor, state.min_scale)
    return state._replace(
        # a scale that a rollback brought below the smallest is not raised again
        scale=jnp.where(reduces, jnp.minimum(reduced, state.scale), state.scale),
        best=jnp.where(better, score, state.best),
        waited=jnp.where(reduces, 0, waited),
        cooling=jnp.where(reduces, state.cooldown, jnp.maximum(state.cooling - 1, 0)),
    )


def _is_plateau(node: Any) -> bool:
    return isinstance(node, PlateauState)


def _check_numbers(numbers: dict[str, Any]) -> None:
    for name, value in numbers.items():
        if callable(value):
            raise TypeError(f"{name}: expected a number, got {describe(value)}")
        low, high = 1e-30 * (name == "factor"), math.inf if name == "min_delta" else 1.0
        check_rate(name, value, low=low, high=high)


def _check_counts(counts: dict[str, Any]) -> None:
    for name, value in counts.items():
        if not isinstance(value, jax.core.Tracer):
            whole = value.item() if isinstance(value, jax.Array) else value
            check_count(name, whole, least=1 if name == "patience" else 0)
