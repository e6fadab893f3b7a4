"""What a training step carries, and what a trainer is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from paramjax._types import Array, Batch, Key, Metrics, ModelState, Params, PyTree


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


class WholeDataTrainer(Trainer):
    """A trainer whose step draws its own rows, so that its batch is the whole data."""


class KeptOnReject(NamedTuple):
    """Arrays in a state that a rejected step does not take back.

    A dynamic loss scale shrinks exactly when the step that overflowed is thrown away.

    Attributes:
        value: Any pytree.
    """

    value: PyTree
