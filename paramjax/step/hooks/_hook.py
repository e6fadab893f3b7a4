"""What a hook is: a guard, an average or a monitor around the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._types import Array, Batch, Key, Metrics, Params, PyTree
from paramjax.step._gradients import GradFn
from paramjax.step._state import KeptOnReject, TrainState


class Observation(NamedTuple):
    """What a monitor may look at in one step.

    Attributes:
        state: The state before the step.
        batch: The batch of the step.
        key: The key of the step.
        grads: The gradient, as the estimator gave it.
        updates: What was added to the parameters.
        grad_fn: The estimator; its `loss_fn` is the loss where there is one.
    """

    state: TrainState
    batch: Batch
    key: Key
    grads: PyTree
    updates: PyTree
    grad_fn: GradFn


def nothing(params: Params) -> PyTree:
    """No arrays of its own: the start of a hook without state.

    Args:
        params: Parameters.

    Returns:
        An empty tuple.

    Example:
        >>> nothing(3.0)
        ()
    """
    del params
    return ()


def as_is(own: PyTree, params: Params) -> Params:
    """Evaluate at the parameters themselves.

    Args:
        own: The hook's arrays.
        params: Parameters.

    Returns:
        The parameters.

    Example:
        >>> as_is((), 3.0)
        3.0
    """
    del own
    return params


def unchanged(
    own: PyTree, old: TrainState, new: TrainState, metrics: Metrics
) -> tuple[PyTree, TrainState, Metrics]:
    """Apply of a hook that only observes.

    Args:
        own: The hook's arrays.
        old: The state before the step.
        new: The state after it.
        metrics: The metrics of the step.

    Returns:
        The hook's arrays, the new state and the metrics, as they came.

    Example:
        >>> unchanged((), "old", "new", {})
        ((), 'new', {})
    """
    del old
    return own, new, metrics


class Hook(NamedTuple):
    """Pure functions around a step; their arrays live in `state.hook_state`.

    Hooks apply in the order of their list, each to the state that the one before it
    left. A guard that rejects a step restores the old state whole, with what the hooks
    before it had just noted. Where several choose the parameters to evaluate, the last
    in the list has the word.

    Attributes:
        init: `(params) -> own`, the hook's arrays before the first step; none by default.
        apply: `(own, old_state, new_state, metrics) -> (own, new_state, metrics)`.
        eval_params: `(own, params) -> params`, the parameters to evaluate.
        observe: `(own, observation) -> (own, metrics)`, called before any `apply`, for
            monitors that want gradients, updates or the loss; its metrics are added to the
            step's. None if there is nothing to observe.
        name: What errors call it. No two hooks of a step share a name; "" is no name.

    Example:
        >>> count = Hook(
        ...     init=lambda params: 0,
        ...     apply=lambda own, old, new, metrics: (own + 1, new, metrics),
        ... )
        >>> count.apply(0, None, None, {})[0]
        1
        >>> double = Hook(apply=lambda own, old, new, metrics: (
        ...     own, new, {**metrics, "double": 2 * metrics["loss"]}))
        >>> double.apply(double.init(None), None, None, {"loss": 1.5})[2]["double"]
        3.0
    """

    init: Callable[[Params], PyTree] = nothing
    apply: Callable[[PyTree, Any, Any, Metrics], tuple[PyTree, Any, Metrics]] = unchanged
    eval_params: Callable[[PyTree, Params], Params] = as_is
    observe: Callable[[PyTree, Observation], tuple[PyTree, Metrics]] | None = None
    name: str = ""


def reject(accepted: Array, old: TrainState, new: TrainState) -> TrainState:
    """The new state where a guard accepts it, else the old one.

    Args:
        accepted: Whether the step stands, bool[].
        old: The state before the step.
        new: The state after it.

    Returns:
        A state; the step counter goes on either way, so that the next batch comes with its
        own key, and arrays in `KeptOnReject` are not taken back.

    Example:
        >>> old = TrainState(jnp.int32(4), jnp.float32(1.0), (), (), (), jax.random.key(0))
        >>> kept = reject(jnp.bool_(False), old, old._replace(step=jnp.int32(5), params=2.0))
        >>> int(kept.step), float(kept.params)
        (5, 1.0)
    """

    def choose(before: Any, after: Any) -> Any:
        if after is before or isinstance(after, KeptOnReject):
            return after  # nothing to choose: what later hooks hold is as it was
        return jnp.where(accepted, after, before)

    kept = jax.tree.map(choose, old, new, is_leaf=lambda leaf: isinstance(leaf, KeptOnReject))
    return kept._replace(step=new.step)
