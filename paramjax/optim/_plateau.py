"""Rates that validation lowers, and rates that are lowered because a run asks for it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from paramjax._checks import check_count, check_rate, describe
from paramjax._types import Array, Params, PyTree
from paramjax.optim._adjustable import AdjustableState, has_place, in_one_place, scaled


class PlateauState(NamedTuple):
    """State of `reduce_on_plateau`: how validation went, and what was asked for.

    Attributes:
        scale: What the updates are multiplied with, float32[]; 1 at first.
        best: The lowest score so far, float32[]; infinite at first.
        waited: Validations since, int32[]; none are counted while it cools down.
        cooling: Validations for which it still cools down, int32[].
        factor: As given, float32[], and so are the others; those that count are int32[].
        patience: As given.
        min_delta: As given.
        min_scale: As given.
        cooldown: As given.
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
    r"""$$u_t = s\, d_t$$ with a scale $s$ that shrinks when validation no longer gets better.

    For the end of a chain: `optax.chain(optax.adamw(1e-3), reduce_on_plateau())`. The scale
    stays as it is during the steps; `fit` calls `validated` after each validation. After
    `patience` validations in a row without improvement the scale becomes
    $\max(\gamma s, s_\text{min})$, then as many as `cooldown` are not counted. As
    `optax.contrib.reduce_on_plateau(factor, patience, rtol=0, atol=min_delta)` fed with scores,
    and as PyTorch's ReduceLROnPlateau with a patience that is one less.

    Args:
        factor: What the scale is multiplied with, in (0, 1).
        patience: Validations without improvement after which it is, positive.
        min_delta: How much lower a score must be to count as an improvement, at least 0, in
            its own unit.
        min_scale: The smallest scale, in [0, 1).
        cooldown: Validations after a reduction that are not counted, at least 0.

    Returns:
        A gradient transformation. All five may be traced.

    Raises:
        TypeError: If a number is none, or a count is not whole.
        ValueError: If one is out of range.

    Example:
        >>> tx = reduce_on_plateau(factor=0.5, patience=1)
        >>> state = tx.init(jnp.zeros(2))
        >>> for score in (3.0, 2.0, 2.0):
        ...     state = validated(state, score)
        >>> tx.update(jnp.ones(2), state)[0].tolist()
        [0.5, 0.5]
    """
    numbers = {"factor": factor, "min_delta": min_delta, "min_scale": min_scale}
    counts = {"patience": patience, "cooldown": cooldown}
    _check_numbers(numbers)
    _check_counts(counts)

    def init(params: Params) -> PlateauState:
        del params
        # copies: a state may be taken over by a step, what the user passed may not
        own = {name: jnp.array(value, jnp.float32) for name, value in numbers.items()}
        own |= {name: jnp.array(value, jnp.int32) for name, value in counts.items()}
        best = jnp.full([], jnp.inf, jnp.float32)
        waited, cooling = jnp.zeros([], jnp.int32), jnp.zeros([], jnp.int32)
        return PlateauState(jnp.ones([], jnp.float32), best, waited, cooling, **own)

    def update(
        updates: PyTree, state: PlateauState, params: Params | None = None
    ) -> tuple[PyTree, PlateauState]:
        del params
        return scaled(updates, state.scale), state

    return optax.GradientTransformation(init, update)


def has_plateau(state: PyTree) -> bool:
    """Whether a chain waits to be told how validation goes.

    Args:
        state: A pytree, such as a `TrainState`.

    Example:
        >>> has_plateau(optax.chain(optax.sgd(0.1), reduce_on_plateau()).init(jnp.zeros(2)))
        True
    """
    return any(map(_is_plateau, jax.tree.leaves(state, is_leaf=_is_plateau)))


def validated(state: PyTree, score: float | Array) -> PyTree:
    """Tell every plateau in a state how a validation went.

    Args:
        state: A pytree, such as a `TrainState`.
        score: What is to be made small; one that is not finite counts as no improvement.

    Returns:
        The state, all else in it untouched.

    Example:
        >>> state = reduce_on_plateau(factor=0.1, patience=1).init(jnp.zeros(2))
        >>> float(validated(validated(state, 2.0), jnp.inf).scale)
        0.1
    """
    score = jnp.asarray(score, jnp.float32)

    judge = lambda node: _judged(node, score) if _is_plateau(node) else node  # noqa: E731
    return jax.tree.map(judge, state, is_leaf=_is_plateau)


def can_lower(state: PyTree) -> bool:
    """Whether there is a rate that `lower_rate` can lower.

    Args:
        state: A pytree, such as a `TrainState`.

    Example:
        >>> can_lower(optax.adamw(1e-3).init(jnp.zeros(2)))
        False
        >>> can_lower(optax.inject_hyperparams(optax.sgd)(0.1).init(jnp.zeros(2)))
        True
    """
    return has_place(state, _rank)


def lower_rate(state: PyTree, factor: float | Array) -> PyTree:
    """Multiply the learning rate of every chain in a state, each in one place.

    A rate can be lowered in `adjustable_rate()`, in `reduce_on_plateau()`, and in
    `optax.inject_hyperparams` with a constant `learning_rate`. Of several that act on the same
    updates only one is lowered: the outermost; among the links of one chain the first of those
    three kinds, and the last of a kind. Groups of leaves (`by_path`, `optax.partition`,
    `optax.masked`) and players have a rate each.

    Args:
        state: A pytree, such as a `TrainState`; plain tuples in it are chains.
        factor: What to multiply with, at least 0.

    Returns:
        The state, all else in it untouched.

    Raises:
        TypeError: If the factor is no number.
        ValueError: If it is out of range, or there is no such rate, see `can_lower`.

    Example:
        >>> tx = optax.chain(optax.inject_hyperparams(optax.sgd)(0.1), reduce_on_plateau())
        >>> injected, plateau = lower_rate(tx.init(jnp.zeros(2)), 0.5)
        >>> float(injected.hyperparams["learning_rate"]), float(plateau.scale)
        (0.1, 0.5)
    """
    check_rate("factor", factor)
    if not can_lower(state):
        raise ValueError(
            "lower_rate: expected a rate that can be lowered, got none; put "
            "pj.optim.adjustable_rate() at the end of the chain, or take "
            "optax.inject_hyperparams with a constant learning rate"
        )
    number = jnp.asarray(factor, jnp.float32)
    return in_one_place(state, _rank, lambda place: _lowered(place, number))


def _lowered(place: PyTree, factor: Array) -> PyTree:
    if isinstance(place, AdjustableState | PlateauState):
        return place._replace(scale=place.scale * factor)
    rate = jnp.asarray(place.hyperparams["learning_rate"])
    lowered = {"learning_rate": rate * factor.astype(rate.dtype)}
    return place._replace(hyperparams={**place.hyperparams, **lowered})


def _rank(node: PyTree) -> int | None:
    """How much a rate is to be preferred; None for what is no rate that can be lowered."""
    if isinstance(node, AdjustableState):
        return 2
    if isinstance(node, PlateauState):
        return 1
    if not isinstance(node, _INJECTED) or "learning_rate" not in node.hyperparams:
        return None
    scheduled = "learning_rate" in getattr(node, "hyperparams_states", {})
    is_real = jnp.issubdtype(jnp.result_type(node.hyperparams["learning_rate"]), jnp.floating)
    return 0 if is_real and not scheduled else None


_INJECTED = (optax.schedules.InjectStatefulHyperparamsState, optax.schedules.InjectHyperparamsState)


def _judged(state: PlateauState, score: Array) -> PlateauState:
    """The plateau after another validation."""
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
