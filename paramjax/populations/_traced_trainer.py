"""A trainer traced once for each structure, and hyperparameters that note which are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._checks import describe, leaf_name, nearest
from paramjax._jaxprs import live_part, runs_uncompiled
from paramjax._types import Batch, Key, Metrics, ModelState, Params, PyTree
from paramjax.optim import has_plateau
from paramjax.runs._chunks import REFUSING
from paramjax.step._state import Trainer, TrainState, WholeDataTrainer

Numbers = dict[str, Any]
"""The traced hyperparameters of a run, name -> scalar."""

Make = Callable[[Numbers], Trainer]
"""`(numbers) -> Trainer`, of one structure."""


class Traced(NamedTuple):
    """A traced function; calling it does not trace it again."""

    call: Callable[..., Any]
    jaxpr: Any  # closed
    out: Any  # shapes and dtypes of the result
    names: tuple[str, ...]  # of the hyperparameters, the first inputs of the jaxpr


class TracedTrainer(NamedTuple):
    """The functions of a run, each traced once."""

    init: Traced  # (numbers, key, params, model_state) -> state
    step: Traced  # (numbers, state, batch) -> (state, metrics)
    evaluate: Traced  # (numbers, state, eval_data) -> metrics
    kept: Traced  # (numbers, state) -> (params to evaluate, model state that belongs to them)
    whole_data: bool  # whether a step draws its own rows from the whole data
    finite: tuple[str, ...]  # step metrics that must be finite; none if a hook guards the steps
    plateaus: bool  # whether the state waits to be told how evaluations go
    careful: bool = False  # whether the parameters are looked at after each step


class Task(NamedTuple):
    """What a problem asks of a trainer.

    Attributes:
        model_state: `(trainer, params, model_state) -> model_state`, with which a run begins.
        evaluate: `(trainer) -> (params, model_state, eval_data) -> metrics`, scalars.
    """

    model_state: Callable[[Trainer, Params, ModelState], ModelState]
    evaluate: Callable[[Trainer], Callable[..., Metrics]]


class Inputs(NamedTuple):
    """Shapes and dtypes with which the functions of a run are traced."""

    numbers: Numbers
    key: Key
    params: Params
    model_state: ModelState
    batch: Batch
    eval_data: PyTree


def trace_trainer(make: Make, task: Task, inputs: Inputs) -> TracedTrainer:
    """Trace the functions of a run."""
    seen: list[Trainer] = []

    def trainer(numbers: Numbers) -> Trainer:
        made = make(numbers)
        if not isinstance(made, Trainer):
            raise TypeError(
                f"make_trainer: expected it to return a trainer such as pj.train_step(...), got "
                f"{describe(made)}"
            )
        seen[:] = [made]
        return made

    def init(numbers: Numbers, key: Key, params: Params, model_state: ModelState) -> TrainState:
        made = trainer(numbers)
        return made.init(key, params, task.model_state(made, params, model_state))

    def step(numbers: Numbers, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        after, metrics = trainer(numbers).step(state, batch)
        return _same(state, after), {name: jnp.asarray(m) for name, m in metrics.items()}

    def measure(numbers: Numbers, state: TrainState, data: PyTree) -> Metrics:
        made = trainer(numbers)
        evaluate = task.evaluate(made)
        return evaluate(made.eval_params(state), made.eval_model_state(state), data)

    def kept(numbers: Numbers, state: TrainState) -> tuple[Params, ModelState]:
        made = trainer(numbers)
        return made.eval_params(state), made.eval_model_state(state)

    numbers = jax.tree.map(_weak, inputs.numbers)
    started = _trace(init, numbers, inputs.key, inputs.params, inputs.model_state)
    stepped = _trace(step, numbers, started.out, inputs.batch)
    _check_loss(stepped.out[1])
    measured = _trace(measure, numbers, started.out, inputs.eval_data)
    must_be_finite = () if seen[0].guards_nonfinite else REFUSING
    return TracedTrainer(
        started, stepped, measured, _trace(kept, numbers, started.out),
        isinstance(seen[0], WholeDataTrainer),
        tuple(name for name in must_be_finite if name in stepped.out[1]),
        has_plateau(started.out),
    )  # fmt: skip


def _weak(number: Any) -> Any:
    """The form of a number that promotes no array, as numbers of Python do not."""
    shape_of: Any = jax.ShapeDtypeStruct
    return shape_of(number.shape, number.dtype, weak_type=True)


def _trace(function: Callable[..., Any], *shapes: Any) -> Traced:
    """Trace a function whose first input are the hyperparameters; calls evaluate its jaxpr."""
    closed, out = jax.make_jaxpr(function, return_shape=True)(*shapes)
    flat = partial(jax.core.eval_jaxpr, live_part(closed), closed.consts)
    forms, tree = jax.tree.flatten(out)

    def call(*inputs: Any) -> Any:
        if runs_uncompiled():
            numbers, *others = inputs
            plain = {name: _plain(number) for name, number in numbers.items()}
            leaves = jax.tree.leaves(function(plain, *others))
        else:
            leaves = flat(*jax.tree.leaves(inputs))
        pairs = zip(leaves, forms, strict=True)
        return jax.tree.unflatten(tree, [_as_array(leaf, form) for leaf, form in pairs])

    return Traced(call, closed, out, tuple(sorted(shapes[0])))


def _plain(number: Any) -> Any:
    """A number of Python, unless it is traced; it promotes no array."""
    return number if isinstance(number, jax.core.Tracer) else number.item()


def _as_array(leaf: Any, form: Any) -> Any:
    """An output that is a constant of the program as an array."""
    return leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf, form.dtype)


def _same(before: TrainState, after: TrainState) -> TrainState:
    """The state after a step, if its tree, shapes and dtypes are those before the step."""
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


class UnknownHyperparameterError(KeyError):
    """A trainer reads a hyperparameter that does not exist in its trial."""

    def __str__(self) -> str:
        """The message without the quotes that `KeyError` would add."""
        return str(self.args[0])


class TrackedHyperparameters(dict[str, Any]):
    """Hyperparameters that note in `noted` which of them a trainer reads."""

    def __init__(self, values: Mapping[str, Any], space: Iterable[str], noted: set[str]) -> None:
        super().__init__(values)
        self._space, self._noted = list(space), noted

    def __getitem__(self, name: str) -> Any:
        self._noted.add(name)
        return super().__getitem__(name)

    def __missing__(self, name: str) -> Any:
        if name in self._space:
            raise UnknownHyperparameterError(
                f"make_trainer: reads {name!r}, which does not exist with {self._fixed()}; ask "
                f"with `{name!r} in hyperparameters` first"
            )
        raise UnknownHyperparameterError(
            f"make_trainer: {nearest(name, self._space, what='hyperparameter')}"
        )

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or the default if it does not exist."""
        known = name in self
        return self[name] if known else default

    def __iter__(self) -> Iterator[str]:
        # without an own __iter__, ** would copy the dict and bypass __getitem__
        return super().__iter__()

    def items(self) -> Any:
        """All items, each noted as read."""
        self._noted.update(self)
        return super().items()

    def values(self) -> Any:
        """All values, each noted as read."""
        self._noted.update(self)
        return super().values()

    def copy(self) -> dict[str, Any]:
        """A plain dict, each name noted as read."""
        return dict(self.items())

    def unread(self) -> dict[str, Any]:
        """The hyperparameters as a dict, without noting that they are read."""
        return dict(super().items())

    def _fixed(self) -> str:
        plain = {n: v for n, v in super().items() if isinstance(v, str | int | bool)}
        return ", ".join(f"{name}={value!r}" for name, value in plain.items()) or "the others"
