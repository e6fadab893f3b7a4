"""The hooks of a step: which are accepted, and how a step calls them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import jax.numpy as jnp

from paramjax._checks import check_takes, describe
from paramjax._types import Array, Batch, Metrics, ModelState, Params, PyTree
from paramjax.step._carried import carried
from paramjax.step._state import Masked, TrainState
from paramjax.step.hooks._hook import Hook, Observation

_TAKES = {
    "init": ("params",),
    "apply": ("own", "old_state", "new_state", "metrics"),
    "eval_params": ("own", "params"),
    "observe": ("own", "observation"),
    "eval_model_state": ("own", "model_state"),
    "init_with_state": ("params", "model_state"),
    "apply_counted": ("own", "old_state", "new_state", "metrics", "counted"),
}
"""Function of a hook -> what it is called with."""


def init_hook(hook: Hook, params: Params, model_state: ModelState) -> PyTree:
    """The hook's arrays before the first step."""
    if hook.init_with_state is not None:
        return hook.init_with_state(params, model_state)
    return hook.init(params)


def _own_arrays(index: int, hook: Hook, before: PyTree, after: PyTree) -> PyTree:
    """A hook's new arrays, or an error that names the hook and the leaf whose form changed."""
    return carried(f"state of {_name(hook, index)}", before, after)


def checked_hooks(hooks: Any, needs: Sequence[str]) -> tuple[Hook, ...]:
    """The hooks as a tuple, or an error unless they are a list of different ones."""
    if isinstance(hooks, Hook) or not isinstance(hooks, Iterable):
        got = f"the hook {hooks.name!r}" if isinstance(hooks, Hook) else describe(hooks)
        raise TypeError(f"hooks: expected a list such as [pj.hooks.ema(0.999)], got {got}")
    listed: tuple[Any, ...] = tuple(hooks)
    for index, hook in enumerate(listed):
        if not isinstance(hook, Hook):
            raise TypeError(
                f"hooks[{index}]: expected a Hook such as pj.hooks.ema(0.999) or "
                f"pj.Hook(apply=function), got {hook!r}"
            )
        _check_functions(hook, index)
        for earlier, other in enumerate(listed[:index]):
            if hook is other or (hook.name and hook.name == other.name):
                name = hook.name or "this hook"
                raise ValueError(
                    f"hooks[{index}]: {name} is given twice, hooks[{earlier}] is the same; "
                    "keep one, or rename one with hook._replace(name=...)"
                )
    for name in needs:
        if name not in {hook.name for hook in listed}:
            raise ValueError(f"hooks: this gradient estimator needs {name}; add pj.hooks.{name}()")
    return listed


def _check_functions(hook: Hook, index: int) -> None:
    for part, names in _TAKES.items():
        function = getattr(hook, part)
        if function is not None:
            if not callable(function):
                raise TypeError(
                    f"{_name(hook, index)}: {part}: expected a function, got {describe(function)}"
                )
            check_takes(function, names, f"{_name(hook, index)}: {part}")


def _name(hook: Hook, index: int) -> str:
    return hook.name or f"hooks[{index}]"


def _returned(hook: Hook, index: int, part: str, output: Any, count: int) -> tuple[Any, ...]:
    """What a function of a hook returned, or an error unless it is a tuple of so many."""
    if isinstance(output, tuple) and len(output) == count:
        return output
    got = f"{len(output)} values" if type(output) is tuple else f"a {type(output).__name__}"
    wanted = "(own, new_state, metrics)" if count == 3 else "(own, metrics)"
    raise TypeError(f"{_name(hook, index)}: {part}: expected it to return {wanted}, got {got}")


def _is_state(hook: Hook, index: int, new: Any) -> TrainState:
    if not isinstance(new, TrainState):
        raise TypeError(
            f"{_name(hook, index)}: apply: expected it to return (own, new_state, metrics), got "
            f"a {type(new).__name__} as its second value"
        )
    return new


def observe(
    hooks: tuple[Hook, ...], hook_state: tuple[PyTree, ...], observation: Observation | None
) -> tuple[tuple[PyTree, ...], Metrics]:
    """Call the monitors before any guard can reject the step."""
    metrics: Metrics = {}
    states = []
    for index, (hook, own) in enumerate(zip(hooks, hook_state, strict=True)):
        if hook.observe is not None:
            if observation is None:
                name = _name(hook, index)
                raise ValueError(f"{name}: this trainer has no single gradient to observe")
            output = hook.observe(own, observation)
            new, reported = _returned(hook, index, "observe", output, 2)
            own = _own_arrays(index, hook, own, new)
            metrics = {**metrics, **reported}
        states.append(own)
    return tuple(states), metrics


def rows_count(batch: Batch) -> Array | None:
    """Whether any row of a batch counts, bool[]; None where all do."""
    return jnp.any(batch.mask) if isinstance(batch, Masked) else None


def apply_hooks(
    hooks: tuple[Hook, ...],
    old: TrainState,
    new: TrainState,
    metrics: Metrics,
    counted: Array | None,
) -> tuple[TrainState, Metrics]:
    """Call each hook on the state that the hook before it returned."""
    for index, hook in enumerate(hooks):
        inputs = old.hook_state[index], old, new, metrics
        if counted is None or hook.apply_counted is None:
            part, output = "apply", hook.apply(*inputs)
        else:
            part, output = "apply_counted", hook.apply_counted(*inputs, counted)
        own, given, metrics = _returned(hook, index, part, output, 3)
        new = _is_state(hook, index, given)
        own = _own_arrays(index, hook, inputs[0], own)
        new = new._replace(hook_state=(*new.hook_state[:index], own, *new.hook_state[index + 1 :]))
    return new, metrics
