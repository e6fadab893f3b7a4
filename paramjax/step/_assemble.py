"""What every trainer shares: checks, keys, hooks and the parameters to evaluate."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from paramjax._checks import check_key, check_params
from paramjax._types import Batch, Key, Metrics, ModelState, Params, PyTree
from paramjax.losses._scheduled import at_step
from paramjax.step._carried import carried, strongly_typed
from paramjax.step._evaluation import evaluation_point
from paramjax.step._hook_calls import apply_hooks, checked_hooks, init_hook, observe, rows_count
from paramjax.step._metrics import check_metrics
from paramjax.step._state import Trainer, TrainState
from paramjax.step.hooks._hook import Hook, Observation

InitFn = Callable[[Params, ModelState], tuple[Params, ModelState, PyTree]]
StepFn = Callable[[TrainState, Batch, Key], tuple[TrainState, Metrics, Observation | None]]


_NO_MODEL_STATE = "; the run began without model state, so give the first one as model_state="
_OPTIMIZER = "; an optimizer state that changes its form does not fit a compiled loop"


def _as_it_is(model_state: ModelState) -> ModelState:
    """The model state itself."""
    return model_state


def assemble(
    init_fn: InitFn,
    step_fn: StepFn,
    hooks: Sequence[Hook] = (),
    *,
    evaluate: Callable[[PyTree, Params], Params] = evaluation_point,
    eval_model_state: Callable[[ModelState], ModelState] = _as_it_is,
    stateful: bool | None = None,
    needs: Sequence[str] = (),
) -> Trainer:
    """Make a trainer from a first state and a step: adds checks, keys, counting and hooks.

    Args:
        init_fn: `(params, model_state) -> (params, model_state, opt_state)`, the first state.
        step_fn: `(state, batch, key) -> (new_state, metrics, observation)`; step, hook state
            and key of the new state are filled in afterwards. The metrics must hold `loss`
            and `grad_norm`; observation is None if the step has no single gradient.
        hooks: Averages, guards and monitors, applied in this order.
        evaluate: `(opt_state, params) -> params`, what the optimizer wants evaluated; hooks
            may then replace it.
        eval_model_state: `(model_state) -> model_state`, the model's own state out of one to
            which the step adds arrays, such as a loss scale.
        stateful: Whether evaluations take the model state; None if the trainer does not say.
        needs: Names of hooks without which the step must not run.

    Returns:
        A trainer.

    Raises:
        TypeError: If a hook is not a Hook, or one of its functions takes or returns something
            else than it should; in `init`, if the key is a legacy key or the
            parameters are not floating-point; at the first trace, if a metric is not a number.
        ValueError: If two hooks share a name, or a needed hook is missing; in `init`, if a
            model state is given that the trainer says it does not take; at the first trace,
            if a hook observes and the observation is None, a metric has a reserved name, or
            the form of the state (its tree, shapes or dtypes) changes in the step.

    Example:
        >>> import paramjax as pj
        >>> drift = lambda state, batch, key: (
        ...     state._replace(params=state.params + 1.0), {"loss": 0.0, "grad_norm": 1.0}, None)
        >>> trainer = pj.step.assemble(lambda params, model_state: (params, model_state, ()), drift)
        >>> state, _ = trainer.step(trainer.init(jax.random.key(0), jnp.zeros(())), None)
        >>> float(state.params), int(state.step)
        (1.0, 1)
    """
    hooks = checked_hooks(hooks, needs)

    def init(key: Key, params: Params, model_state: ModelState = ()) -> TrainState:
        check_key(key)
        check_params(params)
        if stateful is False and jax.tree.leaves(model_state):
            raise ValueError(
                "model_state: given, but this trainer's loss takes none; say stateful=True where "
                "the trainer is made, or leave it out"
            )
        params, model_state, opt_state = init_fn(params, model_state)
        evaluated = evaluate(opt_state, params)
        own = tuple(init_hook(hook, evaluated, model_state) for hook in hooks)
        first = TrainState(jnp.zeros([], jnp.int32), params, model_state, opt_state, own, key)
        state: TrainState = jax.tree.map(strongly_typed, first)
        return state

    def step_now(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(state.key, state.step)
        new, metrics, observation = step_fn(state, batch, key)
        new = _same_form(state, new)
        hook_state, observed = observe(hooks, state.hook_state, observation)
        old = state._replace(hook_state=hook_state)
        new = new._replace(step=state.step + 1, hook_state=hook_state, key=state.key)
        new, metrics = apply_hooks(hooks, old, new, {**metrics, **observed}, rows_count(batch))
        return new, check_metrics("metrics of the step", metrics)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        with at_step(state.step):
            return step_now(state, batch)

    def eval_params(state: TrainState) -> Params:
        params = evaluate(state.opt_state, state.params)
        for hook, own in zip(hooks, state.hook_state, strict=True):
            params = hook.eval_params(own, params)
        return params

    def model_state_of(state: TrainState) -> ModelState:
        model_state = state.model_state
        for hook, own in zip(hooks, state.hook_state, strict=True):
            model_state = hook.eval_model_state(own, model_state)
        return eval_model_state(model_state)

    guarded = any(hook.guards_nonfinite for hook in hooks)
    return Trainer(init, step, eval_params, model_state_of, stateful, guarded)


def _same_form(state: TrainState, new: TrainState) -> TrainState:
    """The new state, or an error that names the part and the leaf whose form changed."""
    empty = "" if jax.tree.leaves(state.model_state) else _NO_MODEL_STATE
    return new._replace(
        params=carried("params", state.params, new.params),
        model_state=carried("model_state", state.model_state, new.model_state, hint=empty),
        opt_state=carried("opt_state", state.opt_state, new.opt_state, hint=_OPTIMIZER),
    )
