"""What the runs of one structure compute, traced once and shared by every program of theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.extend
import jax.numpy as jnp

from paramjax._checks import describe, leaf_name
from paramjax._types import Batch, Key, Metrics, ModelState, Params, PyTree
from paramjax.step._state import Trainer, TrainState, WholeDataTrainer

Numbers = dict[str, Any]
"""The traced hyperparameters of a run, name -> scalar."""

Make = Callable[[Numbers], Trainer]
"""`(numbers) -> Trainer`, with the structural hyperparameters filled in."""


class Traced(NamedTuple):
    """A function that was traced; calling it traces nothing again.

    Attributes:
        call: The function.
        jaxpr: Its text as JAX holds it.
        out: Shapes and dtypes of what it returns.
        names: Names of the hyperparameters, the first inputs of the jaxpr, in their order.
    """

    call: Callable[..., Any]
    jaxpr: Any
    out: Any
    names: tuple[str, ...]


class TracedTrainer(NamedTuple):
    """What a run computes; a user's functions are traced for it once and never again.

    Attributes:
        init: `(numbers, key, params, model_state) -> state`.
        step: `(numbers, state, batch) -> (state, metrics)`.
        evaluate: `(numbers, state, eval_data) -> metrics`.
        eval_params: `(numbers, state) -> params`.
        whole_data: Whether a step draws its own rows.
    """

    init: Traced
    step: Traced
    evaluate: Traced
    eval_params: Traced
    whole_data: bool


class Inputs(NamedTuple):
    """Shapes and dtypes that a traced is traced with, those of one run.

    Attributes:
        numbers: Name -> scalar.
        key: Key of a run.
        params: Initial parameters.
        model_state: What the model carries without being differentiated.
        batch: A batch.
        eval_data: What `evaluate` is given.
    """

    numbers: Numbers
    key: Key
    params: Params
    model_state: ModelState
    batch: Batch
    eval_data: PyTree


def trace_trainer(make: Make, evaluate: Callable[..., Metrics], inputs: Inputs) -> TracedTrainer:
    """Trace what a run computes."""
    whole_data = False

    def trainer(numbers: Numbers) -> Trainer:
        nonlocal whole_data
        made = make(numbers)
        if not isinstance(made, Trainer):
            raise TypeError(
                f"make_trainer: expected it to return a trainer such as pj.train_step(...), got "
                f"{describe(made)}"
            )
        whole_data = isinstance(made, WholeDataTrainer)
        return made

    def init(numbers: Numbers, key: Key, params: Params, model_state: ModelState) -> TrainState:
        return trainer(numbers).init(key, params, model_state)

    def step(numbers: Numbers, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        after, metrics = trainer(numbers).step(state, batch)
        return _same(state, after), {name: jnp.asarray(m) for name, m in metrics.items()}

    def measure(numbers: Numbers, state: TrainState, data: PyTree) -> Metrics:
        params = trainer(numbers).eval_params(state)
        metrics = evaluate(params, state.model_state, data)
        return {name: jnp.asarray(metric) for name, metric in metrics.items()}

    def eval_params(numbers: Numbers, state: TrainState) -> Params:
        return trainer(numbers).eval_params(state)

    numbers = inputs.numbers
    started = _trace(init, numbers, inputs.key, inputs.params, inputs.model_state)
    stepped = _trace(step, numbers, started.out, inputs.batch)
    _check_loss(stepped.out[1])
    measured = _trace(measure, numbers, started.out, inputs.eval_data)
    return TracedTrainer(
        started, stepped, measured, _trace(eval_params, numbers, started.out), whole_data
    )


def _trace(function: Callable[..., Any], *shapes: Any) -> Traced:
    """Trace once, the hyperparameters coming first; what is called afterwards is the jaxpr."""
    closed, out = jax.make_jaxpr(function, return_shape=True)(*shapes)
    flat = jax.extend.core.jaxpr_as_fun(closed)
    tree = jax.tree.structure(out)

    def call(*inputs: Any) -> Any:
        return jax.tree.unflatten(tree, flat(*jax.tree.leaves(inputs)))

    return Traced(call, closed, out, tuple(sorted(shapes[0])))


def _same(before: TrainState, after: TrainState) -> TrainState:
    """The state after a step, if it has the form of the one before."""
    old_tree: Any = jax.tree.structure(before)
    new_tree: Any = jax.tree.structure(after)
    if old_tree != new_tree:
        raise ValueError(
            f"step: expected a state of the tree {old_tree}, as before the step, got {new_tree}"
        )
    pairs = zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True)
    for (path, old), new in pairs:
        forms = [(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in (old, new)]
        if forms[0] != forms[1]:
            raise ValueError(
                f"step: leaf {leaf_name(path)} of the state is {describe(new)} after a step and "
                f"was {describe(old)} before; keep its shape and dtype"
            )
    return after


def _check_loss(metrics: Metrics) -> None:
    if "loss" not in metrics or metrics["loss"].shape != ():
        found = describe(metrics["loss"]) if "loss" in metrics else f"only {sorted(metrics)}"
        raise ValueError(
            f"step: expected its metrics to hold the scalar loss under 'loss', got {found}"
        )
