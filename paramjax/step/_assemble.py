"""What every trainer shares: checks, keys, hooks and the parameters to evaluate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_key, check_params, is_key
from paramjax._types import Batch, Key, Metrics, ModelState, Params, PyTree
from paramjax.step._evaluation import evaluated
from paramjax.step._state import Trainer, TrainState
from paramjax.step.hooks._hook import Hook, Observation

Begin = Callable[[Params, ModelState], tuple[Params, ModelState, PyTree]]
Advance = Callable[[TrainState, Batch, Key], tuple[TrainState, Metrics, Observation | None]]


def assemble(
    begin: Begin,
    advance: Advance,
    hooks: Sequence[Hook] = (),
    *,
    evaluate: Callable[[PyTree, Params], Params] = evaluated,
    needs: Sequence[str] = (),
) -> Trainer:
    """A trainer from what is its own: how it begins and how it advances.

    Args:
        begin: `(params, model_state) -> (params, model_state, opt_state)`, what the state
            starts with.
        advance: `(state, batch, key) -> (new_state, metrics, observation)`; the new state
            may leave step, hook state and key as they were. The metrics must hold `loss` and
            `grad_norm`; observation is None where there is nothing for monitors.
        hooks: Averages, guards and monitors, applied in this order.
        evaluate: `(opt_state, params) -> params`, before the hooks have their say.
        needs: Names of hooks without which the step must not run.

    Returns:
        A trainer.

    Raises:
        TypeError: If a hook is none; in `init`, for a legacy key or parameters that are not
            floating-point.
        ValueError: If two hooks have one name, or one that is needed is missing; at the first
            trace, if a hook observes and the trainer gives nothing to observe.

    Example:
        >>> drift = lambda state, batch, key: (
        ...     state._replace(params=state.params + 1.0), {"loss": 0.0, "grad_norm": 1.0}, None)
        >>> trainer = assemble(lambda params, model_state: (params, model_state, ()), drift)
        >>> state, _ = trainer.step(trainer.init(jax.random.key(0), jnp.zeros(())), None)
        >>> float(state.params), int(state.step)
        (1.0, 1)
    """
    hooks = tuple(hooks)
    _check_hooks(hooks, needs)

    def init(key: Key, params: Params, model_state: ModelState = ()) -> TrainState:
        check_key(key)
        check_params(params)
        params, model_state, opt_state = begin(params, model_state)
        watched = evaluate(opt_state, params)
        own = tuple(hook.init(watched) for hook in hooks)
        state = TrainState(jnp.zeros([], jnp.int32), params, model_state, opt_state, own, key)
        return jax.tree.map(_settled, state)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(state.key, state.step)
        new, metrics, observation = advance(state, batch, key)
        hook_state, observed = _observe(hooks, state.hook_state, observation)
        old = state._replace(hook_state=hook_state)
        new = new._replace(step=state.step + 1, hook_state=hook_state, key=state.key)
        return _apply(hooks, old, new, {**metrics, **observed})

    def eval_params(state: TrainState) -> Params:
        params = evaluate(state.opt_state, state.params)
        for hook, own in zip(hooks, state.hook_state, strict=True):
            params = hook.eval_params(own, params)
        return params

    return Trainer(init, step, eval_params)


def _check_hooks(hooks: tuple[Any, ...], needs: Sequence[str]) -> None:
    for place, hook in enumerate(hooks):
        if not isinstance(hook, Hook):
            raise TypeError(
                f"hooks[{place}]: expected a Hook such as pj.hooks.ema(0.999) or "
                f"pj.Hook(apply=function), got {hook!r}"
            )
        for earlier, other in enumerate(hooks[:place]):
            if hook is other or (hook.name and hook.name == other.name):
                name = hook.name or "this hook"
                raise ValueError(
                    f"hooks[{place}]: {name} is given twice, hooks[{earlier}] is the same; "
                    "keep one, or name it apart with hook._replace(name=...)"
                )
    for name in needs:
        if name not in {hook.name for hook in hooks}:
            raise ValueError(f"hooks: this gradient estimator needs {name}; add pj.hooks.{name}()")


def _settled(leaf: Any) -> Any:
    """An array of a fixed dtype: a weakly typed one would change it, and trace again."""
    if is_key(leaf):
        return leaf
    return jax.lax.convert_element_type(leaf, jnp.result_type(leaf))


def _observe(
    hooks: tuple[Hook, ...], hook_state: tuple[PyTree, ...], observation: Observation | None
) -> tuple[tuple[PyTree, ...], Metrics]:
    """Let the monitors look at the step before any guard takes it back."""
    metrics: Metrics = {}
    states = []
    for place, (hook, own) in enumerate(zip(hooks, hook_state, strict=True)):
        if hook.observe is not None:
            if observation is None:
                name = hook.name or f"hooks[{place}]"
                raise ValueError(f"{name}: this trainer has no single gradient to observe")
            own, reported = hook.observe(own, observation)
            metrics = {**metrics, **reported}
        states.append(own)
    return tuple(states), metrics


def _apply(
    hooks: tuple[Hook, ...], old: TrainState, new: TrainState, metrics: Metrics
) -> tuple[TrainState, Metrics]:
    """Each hook in turn sees the state that the one before it left."""
    for place, hook in enumerate(hooks):
        own, new, metrics = hook.apply(old.hook_state[place], old, new, metrics)
        new = new._replace(hook_state=(*new.hook_state[:place], own, *new.hook_state[place + 1 :]))
    return new, metrics
