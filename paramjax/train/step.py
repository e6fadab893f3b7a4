"""One training step, composed from a loss, a gradient transformation and hooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from paramjax.checks import check_key, check_params, check_same_form
from paramjax.train.gradients import GradFn, gradient
from paramjax.train.hooks.hook import Hook
from paramjax.types import Array, Batch, Key, LossFn, Metrics, ModelState, Params, PyTree


class TrainState(NamedTuple):
    """All that the next step needs: arrays only, so it saves, shards and compares by leaf.

    Attributes:
        step: Steps done, int32[].
        params: What is estimated.
        model_state: What the model carries without being differentiated, `()` if nothing.
        opt_state: State of the gradient transformation.
        hook_state: State of each hook, a tuple in their order.
        key: The run's key; step t uses `fold_in(key, t)`.
    """

    step: Array
    params: Params
    model_state: ModelState
    opt_state: PyTree
    hook_state: tuple[PyTree, ...]
    key: Key


class Trainer(NamedTuple):
    """Three pure functions, whatever the step does inside.

    Attributes:
        init: `(key, params, model_state=()) -> state`.
        step: `(state, batch) -> (state, metrics)`.
        eval_params: `(state) -> params`, what must be evaluated.
    """

    init: Callable[..., TrainState]
    step: Callable[[TrainState, Batch], tuple[TrainState, Metrics]]
    eval_params: Callable[[TrainState], Params]


def train_step(
    loss_fn: LossFn | GradFn,
    tx: optax.GradientTransformation,
    hooks: Sequence[Hook] = (),
    *,
    stateful: bool = False,
) -> Trainer:
    """Compose a training step out of pure functions.

    Args:
        loss_fn: A loss, `(params, batch, key) -> (loss, metrics)`, or a `GradFn`.
        tx: Any optax gradient transformation. It is handed `value`, `grad` and, where
            there is a loss, `value_fn`, so that line searches and Polyak steps work.
        hooks: Averages and guards, applied in this order.
        stateful: Whether a loss takes and returns model state (a GradFn says it itself).

    Returns:
        A trainer. The metrics of a step are the loss's own and always `loss`, `grad_norm`
        (the global norm before any clipping) and, where the chain keeps one,
        `learning_rate`; a metric of the loss under one of these names is replaced.

    Raises:
        TypeError: If `tx` is no gradient transformation, a hook is none, or (in `init`)
            the key is a legacy one or a parameter is not floating-point.
        ValueError: At the first trace, if the loss is not a scalar, or gradients or
            updates differ from the parameters in tree or shape.

    Example:
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> trainer = train_step(loss_fn, optax.sgd(0.5))
        >>> state = trainer.init(jax.random.key(0), jnp.zeros(()))
        >>> state, metrics = trainer.step(state, jnp.array([1.0, 3.0]))
        >>> float(state.params), float(metrics["loss"])
        (2.0, 5.0)
    """
    _check_parts(tx, hooks)
    grad_fn = loss_fn if isinstance(loss_fn, GradFn) else gradient(loss_fn, stateful=stateful)
    tx = optax.with_extra_args_support(tx)
    hooks = tuple(hooks)

    def init(key: Key, params: Params, model_state: ModelState = ()) -> TrainState:
        check_key(key)
        check_params(params)
        own = tuple(hook.init(params) for hook in hooks)
        step = jnp.zeros([], jnp.int32)
        return TrainState(step, params, model_state, tx.init(params), own, key)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(state.key, state.step)
        grads, loss, model_state, reported = _estimate(grad_fn, state, batch, key)
        check_same_form("gradients", grads, state.params)
        searched = _value_fn(grad_fn, state, batch, key)
        updates, opt_state = tx.update(
            grads, state.opt_state, state.params, value=loss, grad=grads, **searched
        )
        check_same_form("updates", updates, state.params)
        new_state = TrainState(
            state.step + 1,
            optax.apply_updates(state.params, updates),
            model_state,
            opt_state,
            state.hook_state,
            state.key,
        )
        metrics = {**reported, "loss": loss, "grad_norm": optax.tree.norm(grads)}
        return _apply_hooks(hooks, state, new_state, metrics | _learning_rate(opt_state))

    def eval_params(state: TrainState) -> Params:
        params = _unscheduled(state.opt_state, state.params)
        for hook, own in zip(hooks, state.hook_state, strict=True):
            params = hook.eval_params(own, params)
        return params

    return Trainer(init, step, eval_params)


def _unscheduled(opt_state: PyTree, params: Params) -> Params:
    """The averaged iterate of a schedule-free optimizer (Defazio et al., 2024), else params."""
    found = [
        link
        for link in jax.tree.leaves(opt_state, is_leaf=_is_schedule_free)
        if _is_schedule_free(link)
    ]
    return optax.contrib.schedule_free_eval_params(found[0], params) if found else params


def _is_schedule_free(link: Any) -> bool:
    return isinstance(link, optax.contrib.ScheduleFreeState)


def _check_parts(tx: Any, hooks: Sequence[Any]) -> None:
    if not isinstance(tx, optax.GradientTransformation):
        raise TypeError(
            "tx: expected an optax gradient transformation such as optax.adamw(1e-3), got "
            f"{type(tx).__name__}"
        )
    for place, hook in enumerate(hooks):
        if not isinstance(hook, Hook):
            raise TypeError(f"hooks[{place}]: expected a Hook such as pj.ema(0.999), got {hook!r}")


def _estimate(
    grad_fn: GradFn, state: TrainState, batch: Batch, key: Key
) -> tuple[PyTree, Array, ModelState, Metrics]:
    """Call either form of a GradFn and bring its results into one form."""
    if grad_fn.stateful:
        grads, loss, (model_state, metrics) = grad_fn(state.params, state.model_state, batch, key)
        return grads, loss, model_state, metrics
    grads, loss, metrics = grad_fn(state.params, batch, key)
    return grads, loss, state.model_state, metrics


def _value_fn(grad_fn: GradFn, state: TrainState, batch: Batch, key: Key) -> dict[str, Any]:
    """The extra argument of line searches: the loss of this batch as a function of params."""
    loss_fn = grad_fn.loss_fn
    if loss_fn is None:
        return {}
    carried = (state.model_state,) if grad_fn.stateful else ()
    return {"value_fn": lambda params: loss_fn(params, *carried, batch, key)[0]}


def _learning_rate(opt_state: PyTree) -> Metrics:
    """The learning rate, where a link of the chain keeps one in its state."""
    found = optax.tree.get_all_with_path(opt_state, "learning_rate")
    scalars = [value for _, value in found if jnp.shape(value) == ()]
    return {"learning_rate": scalars[-1]} if scalars else {}


def _apply_hooks(
    hooks: tuple[Hook, ...], old: TrainState, new: TrainState, metrics: Metrics
) -> tuple[TrainState, Metrics]:
    """Each hook in turn sees the state that the one before it left."""
    for place, hook in enumerate(hooks):
        own, new, metrics = hook.apply(old.hook_state[place], old, new, metrics)
        new = new._replace(hook_state=(*new.hook_state[:place], own, *new.hook_state[place + 1 :]))
    return new, metrics
