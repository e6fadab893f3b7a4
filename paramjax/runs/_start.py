"""Where a run begins: at parameters and a model state, or at the state of an earlier run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._arrays import own_copy
from paramjax._checks import check_params, check_takes, is_key, leaf_name
from paramjax._partial import evaluated
from paramjax._threefry import Words
from paramjax._types import Key, ModelState, Params, PyTree
from paramjax.runs._chunks import begin
from paramjax.runs._preflight import check_model_state
from paramjax.step._state import Trainer, TrainState


class Start(NamedTuple):
    """Where a run begins.

    Attributes:
        params: Parameters, None where a state is given.
        model_state: The model state beside them.
        state: The state of an earlier run, None where parameters are given.
    """

    params: Params | None
    model_state: ModelState = ()
    state: TrainState | None = None

    def where(self) -> Params:
        """The parameters to begin with."""
        return self.params if self.state is None else self.state.params


def checked_start(
    trainer: Trainer,
    params: Params | None,
    model_state: ModelState | Callable[[Params], ModelState],
    state: TrainState | None,
) -> Start:
    """The start, or an error unless it is one of the two kinds and fits the trainer."""
    if state is not None:
        _check_state(trainer, params, model_state, state)
        return Start(None, (), state)
    if params is None:
        raise ValueError("params: expected parameters, got None; pass them, or state=run.state")
    check_params(params)
    if callable(model_state) and jax.tree_util.all_leaves([model_state]):
        check_takes(model_state, ("params",), "model_state")
        model_state = model_state(params)
    check_model_state(trainer, model_state)
    return Start(params, model_state)


def first_state(trainer: Trainer, start: Start, state_key: Words) -> TrainState:
    """The first state of a run, in memory that chunks may take over."""
    key = jax.random.wrap_key_data(jax.device_put(state_key))
    if start.state is None:
        begun: TrainState = evaluated(begin.of(trainer), start.params, start.model_state, key)
        return begun
    leaves = jax.tree.leaves(start.state)
    if any(getattr(leaf, "committed", False) for leaf in leaves):
        copied: TrainState = _copied(start.state, key)  # the key, too, where the others lie
        return copied
    copied = jax.tree.map(own_copy, start.state)
    return copied._replace(key=key)


@jax.jit
def _copied(state: TrainState, key: Key) -> TrainState:
    copied: TrainState = jax.tree.map(lambda leaf: leaf if is_key(leaf) else jnp.copy(leaf), state)
    return copied._replace(key=key)


def _check_state(trainer: Trainer, params: Any, model_state: Any, state: Any) -> None:
    if not isinstance(state, TrainState):
        raise TypeError(
            f"state: expected the state of a run, such as run.state, got {type(state).__name__}"
        )
    if params is not None:
        raise ValueError(
            "params: a run goes on from those of state=; pass params=None, or no state"
        )
    if callable(model_state) or jax.tree.leaves(model_state):
        raise ValueError("model_state: a run goes on from that of state=; leave model_state out")
    check_params(state.params)
    # without what an estimator adds where the model has no state
    own = () if trainer.stateful is False else state.model_state
    expected = jax.eval_shape(trainer.init, state.key, state.params, own)
    for part in ("opt_state", "hook_state"):
        difference = _difference(getattr(expected, part), getattr(state, part))
        if difference:
            raise ValueError(
                f"state: its {part} is not that of this trainer: {difference}; pass the optimizer "
                "and the hooks that the state was made with, or begin with params=run.params"
            )


def _difference(expected: PyTree, got: PyTree) -> str:
    """The first leaf whose form differs, "" if none does."""
    wanted, found = (
        {leaf_name(path): (jnp.shape(leaf), jnp.result_type(leaf)) for path, leaf in leaves}
        for leaves in map(jax.tree_util.tree_leaves_with_path, (expected, got))
    )
    for name in {**wanted, **found}:
        if wanted.get(name) != found.get(name):
            forms = (_form(wanted.get(name)), _form(found.get(name)))
            return f"expected {forms[0]} for leaf {name}, got {forms[1]}"
    return ""


def _form(form: tuple[Any, Any] | None) -> str:
    if form is None:
        return "nothing"
    shape, dtype = form
    return f"{dtype}[{','.join(map(str, shape))}]"
