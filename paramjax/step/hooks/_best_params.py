"""The parameters with the best score so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from paramjax._checks import describe, is_key
from paramjax._types import Array, Metrics, ModelState, Params, PyTree
from paramjax.step._evaluation import gradient_point
from paramjax.step._norms import infinite, widest_float
from paramjax.step._state import KeptOnReject
from paramjax.step.hooks._hook import Hook


class BestState(NamedTuple):
    """State of `best_params`.

    Attributes:
        score: The lowest score so far, float32[], float64[] under x64; the largest number
            before the first.
        params: The parameters with that score; zeros before the first.
        model_state: The model state with which the score was taken; zeros before the first.
    """

    score: Array
    params: Params
    model_state: ModelState = ()


def _loss(metrics: Metrics) -> Array:
    return metrics["loss"]


def best_params(score: Callable[[Metrics], Array] = _loss) -> Hook:
    """Evaluate at the parameters with the lowest score so far.

    The metrics of a step belong to the parameters before it, so these are kept (lookahead's
    fast weights, the point at which a schedule-free optimizer takes its gradient), and the
    last parameters of a run are never candidates. The model state before the step is kept with
    them, so that batch statistics belong to their parameters. A score that is not finite never
    wins, and ties go to the earlier step.

    The score of a step comes from its own batch. On small batches the lowest one is as much
    luck as merit; a score such as the mean of a validation loss that the loss function
    reports among its metrics, or full batches, says more.

    A score stands even where a guard rejects the step, because the parameters that it
    belongs to are those that the guard restores. The metric `best_score` is the lowest
    score so far, infinite before the first finite one.

    Args:
        score: `(metrics) -> scalar`, the lower the better; it gets the metrics of the
            step, of monitors, and of hooks earlier in the list.

    Returns:
        A hook. Before the first finite score it evaluates at the parameters themselves.

    Raises:
        TypeError: If the score is not callable.
        ValueError: At the first trace, if the score is not a scalar, or asks for a metric
            that does not exist.

    Example:
        >>> import paramjax as pj
        >>> highest_accuracy = pj.hooks.best_params(lambda metrics: -metrics["accuracy"])
        >>> own = highest_accuracy.init(jnp.float32(3.0))
        >>> old = pj.TrainState(0, jnp.float32(3.0), (), (), (), None)
        >>> own, _, _ = highest_accuracy.apply(own, old, None, {"accuracy": jnp.float32(0.9)})
        >>> float(highest_accuracy.eval_params(own, jnp.float32(4.0)))
        3.0
    """
    if not callable(score):
        raise TypeError(f"best_params: score: expected a function, got {describe(score)}")

    def init(params: Params, model_state: ModelState = ()) -> KeptOnReject:
        # zeros rather than params: one buffer twice in a state cannot be donated
        zeros = jax.tree.map(_zeros, params), jax.tree.map(_zeros, model_state)
        return KeptOnReject(BestState(_unset(), *zeros))

    def apply(
        own: KeptOnReject, old: Any, new: Any, metrics: Metrics, counted: Array | bool = True
    ) -> tuple[KeptOnReject, Any, Metrics]:
        value, best = _evaluate(score, metrics), own.value
        better = jnp.isfinite(value) & (value < best.score) & counted
        scored = _scored_params(old.params), old.model_state
        kept = _choose(better, scored, (best.params, best.model_state))
        lowest = jnp.where(better, value, best.score)
        reported = jnp.where(_found(lowest), lowest, infinite())
        return KeptOnReject(BestState(lowest, *kept)), new, {**metrics, "best_score": reported}

    def eval_params(own: KeptOnReject, params: Params) -> Params:
        return _choose(_found(own.value.score), own.value.params, params)

    def eval_model_state(own: KeptOnReject, model_state: ModelState) -> ModelState:
        return _choose(_found(own.value.score), own.value.model_state, model_state)

    return Hook(
        init, apply, eval_params, name="best_params", eval_model_state=eval_model_state,
        init_with_state=init, apply_counted=apply,
    )  # fmt: skip


def _unset() -> Array:
    """The score before the first, finite so that `jax_debug_infs` takes the state for healthy."""
    return jnp.full([], np.finfo(widest_float()).max)


def _found(score: Array) -> Array:
    return jnp.less(score, np.finfo(score.dtype).max)


def _zeros(leaf: Any) -> Array:
    """Zeros like an array; a key has none and is copied."""
    return jnp.copy(leaf) if is_key(leaf) else jnp.zeros_like(leaf)


def _choose(condition: Array, one: PyTree, other: PyTree) -> PyTree:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)


def _evaluate(score: Callable[[Metrics], Array], metrics: Metrics) -> Array:
    """The score, or an error that lists the metrics there are."""
    try:
        value = score(metrics)
    except KeyError as error:
        raise ValueError(
            f"best_params: the score asks for {error}, which is not among the metrics of the step "
            f"(known: {', '.join(sorted(metrics))}); a hook that reports it must come earlier"
        ) from error
    if jnp.shape(value) != ():
        raise ValueError(
            f"best_params: expected a scalar score, got shape {jnp.shape(value)}; take its mean"
        )
    return jnp.asarray(value, widest_float())


def _scored_params(params: Params) -> Params:
    """The parameters that the loss was taken at; each player of a game may have a pair."""
    is_pair = lambda node: isinstance(node, optax.LookaheadParams)  # noqa: E731
    return jax.tree.map(gradient_point, params, is_leaf=is_pair)
