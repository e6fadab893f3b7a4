"""What a training step holds from one call to the next, what a trainer is, and a scan of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._display import as_html, lines_of, tree_summary
from paramjax._types import Array, Batch, Key, Metrics, ModelState, Params, PyTree


class TrainState(NamedTuple):
    """All that the next step needs: arrays only, so it saves, shards and compares by leaf.

    Attributes:
        step: Steps done, int32[].
        params: What is estimated.
        model_state: The model's state that is not differentiated, `()` if it has none.
        opt_state: State of the gradient transformation.
        hook_state: State of each hook, a tuple in the order of the hooks.
        key: The run's key; step t uses `fold_in(key, t)`.
    """

    step: Array
    params: Params
    model_state: ModelState
    opt_state: PyTree
    hook_state: tuple[PyTree, ...]
    key: Key

    def __repr__(self) -> str:
        """The shapes of what it holds, a line each."""
        step = "" if jnp.ndim(self.step) or isinstance(self.step, jax.core.Tracer) else self.step
        shapes = {name: tree_summary(own) for name, own in self._asdict().items() if name != "step"}
        return lines_of(f"TrainState: step {step}".rstrip(), shapes)

    def _repr_html_(self) -> str:
        """The same lines in a notebook."""
        return as_html(repr(self))


def _model_state(state: TrainState) -> ModelState:
    """The state's own model state."""
    return state.model_state


class Trainer(NamedTuple):
    """Pure functions, whatever the step does inside, and what a run must know of them.

    Attributes:
        init: `(key, params, model_state=()) -> state`.
        step: `(state, batch) -> (state, metrics)`.
        eval_params: `(state) -> params`, the parameters to evaluate.
        eval_model_state: `(state) -> model_state`, the model state that belongs to
            `eval_params(state)`; by default `state.model_state`.
        stateful: Whether evaluations of these parameters take this model state; None if the
            trainer does not say.
        guards_nonfinite: Whether a hook of the trainer rejects steps that are not finite, so
            that a run need not stop at one.
    """

    init: Callable[..., TrainState]
    step: Callable[[TrainState, Batch], tuple[TrainState, Metrics]]
    eval_params: Callable[[TrainState], Params]
    eval_model_state: Callable[[TrainState], ModelState] = _model_state
    stateful: bool | None = None
    guards_nonfinite: bool = False

    def __repr__(self) -> str:
        """What its functions take and return, and what a run must know of it."""
        evaluated = {
            None: "params, and the model state if the problem says so",
            True: "params and model state",
            False: "params",
        }
        steps = "rejected by a hook" if self.guards_nonfinite else "left to the run"
        return lines_of(
            type(self).__name__,
            {
                "init": "(key, params, model_state) -> state",
                "step": "(state, batch) -> (state, metrics)",
                "evaluation": evaluated.get(self.stateful, str(self.stateful)),
                "non-finite steps": steps,
            },
        )

    def _repr_html_(self) -> str:
        """The same lines in a notebook."""
        return as_html(repr(self))


class WholeDataTrainer(Trainer):
    """A trainer whose step draws its own rows, so that its batch is the whole data."""


class Masked(NamedTuple):
    """Rows, and which of them count: how a random number of rows has a fixed shape.

    Attributes:
        rows: A batch, a pytree of arrays [rows, ...].
        mask: bool[rows]; a row with False contributes nothing, whatever it holds.

    Example:
        >>> import paramjax as pj
        >>> pj.grads.Masked({"x": jnp.zeros((2, 3))}, jnp.array([True, False])).mask.tolist()
        [True, False]
    """

    rows: Batch
    mask: Array

    def __getitem__(self, index: Any) -> Any:
        """A field by its number; a name, as losses use it, raises with the way to the rows."""
        if isinstance(index, str):
            raise TypeError(
                f"this batch is Masked rows, its {index!r} is in batch.rows[{index!r}]; "
                "pj.grads.private takes them, and so does a loss that leaves out rows where "
                "batch.mask is False"
            )
        return tuple.__getitem__(self, index)


class KeptOnReject(NamedTuple):
    """Arrays in a state that keep their new value where a hook rejects the step.

    A dynamic loss scale, for example, shrinks in exactly the step that overflows.

    Attributes:
        value: Any pytree.
    """

    value: PyTree


def scan_steps(
    trainer: Trainer, state: TrainState, data: PyTree, order: Array | None, steps: int
) -> tuple[TrainState, Metrics]:
    """Run several steps as one `jax.lax.scan`.

    Args:
        trainer: The trainer whose step is scanned.
        state: The state to start from.
        data: A pytree of arrays [rows, ...].
        order: int32[steps, batch], the rows of each step; None takes all rows at each.
        steps: Number of steps.

    Returns:
        The last state, and metrics as arrays [steps].

    Example:
        >>> import optax
        >>> import paramjax as pj
        >>> trainer = pj.train_step(lambda p, batch, key: (p * batch.mean(), {}), optax.sgd(1.0))
        >>> state = trainer.init(jax.random.key(0), jnp.zeros(()))
        >>> state, history = pj.step.scan_steps(trainer, state, jnp.ones(4), None, steps=3)
        >>> float(state.params)
        -3.0
    """

    def body(state: TrainState, rows: Array | None) -> tuple[TrainState, Metrics]:
        batch: Batch = data if rows is None else jax.tree.map(lambda leaf: leaf[rows], data)
        return trainer.step(state, batch)

    # numpy leaves inside a scan would be indexed by a tracer, which numpy refuses
    data = jax.tree.map(jnp.asarray, data)
    return jax.lax.scan(body, state, order, length=steps)
