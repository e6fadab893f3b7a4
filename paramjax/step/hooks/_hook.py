"""What a hook is, and how a guard rejects a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._types import Array, Batch, Key, Metrics, ModelState, Params, PyTree
from paramjax.step._gradients import GradFn
from paramjax.step._state import KeptOnReject, TrainState


class Observation(NamedTuple):
    """What a monitor may use of one step.

    Attributes:
        state: The state before the step.
        batch: The batch of the step.
        key: The key of the step.
        grads: The gradient, as the estimator returned it.
        updates: What was added to the parameters.
        grad_fn: The estimator; its `loss_fn` is the loss, where there is one.
    """

    state: TrainState
    batch: Batch
    key: Key
    grads: PyTree
    updates: PyTree
    grad_fn: GradFn


def _init(params: Params) -> PyTree:
    """No arrays of its own."""
    del params
    return ()


def _apply(
    own: PyTree, old: TrainState, new: TrainState, metrics: Metrics
) -> tuple[PyTree, TrainState, Metrics]:
    """Change nothing."""
    del old
    return own, new, metrics


def _eval_params(own: PyTree, params: Params) -> Params:
    """Evaluate at the parameters themselves."""
    del own
    return params


def _eval_model_state(own: PyTree, model_state: ModelState) -> ModelState:
    """Evaluate with the model state as it is."""
    del own
    return model_state


class Hook(NamedTuple):
    """Pure functions around a step; their arrays live in `state.hook_state`.

    Hooks apply in the order of their list, each to the state that the hook before it
    returned. A guard that rejects a step restores the old state whole, with the arrays of
    the hooks before it. Where several hooks choose the parameters to evaluate, the last one
    in the list takes precedence.

    Attributes:
        init: `(params) -> own`, the hook's arrays before the first step; none by default.
        apply: `(own, old_state, new_state, metrics) -> (own, new_state, metrics)`.
        eval_params: `(own, params) -> params`, the parameters to evaluate.
        observe: `(own, observation) -> (own, metrics)`, called before any `apply`, for
            monitors that need gradients, updates or the loss; its metrics are added to the
            step's. None if the hook observes nothing.
        name: The hook's name in errors. No two hooks of a step share a name; "" is no name.
        eval_model_state: `(own, model_state) -> model_state`, the model state that belongs to
            the parameters which `eval_params` returns; the current one by default.
        init_with_state: `(params, model_state) -> own`, called in place of `init` by a hook
            that keeps model states; None if it keeps none.
        apply_counted: `(own, old_state, new_state, metrics, counted)`, called in place of
            `apply` where the batch is `Masked` rows, with whether any of them counts, bool[]:
            the loss of an empty sample says nothing. None if that makes no difference.
        guards_nonfinite: Whether `apply` rejects every step whose loss, gradient or new
            parameters are not finite, so that a run need not stop at one.

    Example:
        >>> import paramjax as pj
        >>> count = pj.Hook(
        ...     init=lambda params: 0,
        ...     apply=lambda own, old, new, metrics: (own + 1, new, metrics),
        ... )
        >>> count.apply(0, None, None, {})[0]
        1
        >>> double = pj.Hook(apply=lambda own, old, new, metrics: (
        ...     own, new, {**metrics, "double": 2 * metrics["loss"]}))
        >>> double.apply(double.init(None), None, None, {"loss": 1.5})[2]["double"]
        3.0
    """

    init: Callable[[Params], PyTree] = _init
    apply: Callable[[PyTree, Any, Any, Metrics], tuple[PyTree, Any, Metrics]] = _apply
    eval_params: Callable[[PyTree, Params], Params] = _eval_params
    observe: Callable[[PyTree, Observation], tuple[PyTree, Metrics]] | None = None
    name: str = ""
    eval_model_state: Callable[[PyTree, ModelState], ModelState] = _eval_model_state
    init_with_state: Callable[[Params, ModelState], PyTree] | None = None
    apply_counted: (
        Callable[[PyTree, Any, Any, Metrics, Array], tuple[PyTree, Any, Metrics]] | None
    ) = None
    guards_nonfinite: bool = False


def reject(accepted: Array, old: TrainState, new: TrainState) -> TrainState:
    """The new state where a guard accepts it, else the old one.

    Args:
        accepted: Whether the step stands, bool[].
        old: The state before the step.
        new: The state after it.

    Returns:
        A state. The step counter goes on either way, so that the next batch gets its own
        key, and arrays in `KeptOnReject` keep their new value.

    Example:
        >>> import paramjax as pj
        >>> old = pj.TrainState(jnp.int32(4), jnp.float32(1.0), (), (), (), jax.random.key(0))
        >>> new = old._replace(step=jnp.int32(5), params=2.0)
        >>> kept = pj.hooks.reject(jnp.bool_(False), old, new)
        >>> int(kept.step), float(kept.params)
        (5, 1.0)
    """

    def choose(before: Any, after: Any) -> Any:
        if after is before or isinstance(after, KeptOnReject):
            return after  # arrays that the step did not touch need no select
        return jnp.where(accepted, after, before)

    is_kept = lambda leaf: isinstance(leaf, KeptOnReject)  # noqa: E731
    kept: TrainState = jax.tree.map(choose, old, new, is_leaf=is_kept)
    return kept._replace(step=new.step)
