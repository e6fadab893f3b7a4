"""The programs of an optimizer: traced with shapes alone, one pair for each structure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._hashes import program_hash
from paramjax._types import Batch, LossFn, Params
from paramjax.bench.entries._entries import Entry
from paramjax.bench.entries._findings import foreign
from paramjax.bench.entries._marks import marked
from paramjax.bench.entries._refused import RefusedError, one_line
from paramjax.bench.entries._trainer import EXTRA_ARGS, clipped_trainer
from paramjax.bench.workloads._workload import Workload
from paramjax.optim._schedules import advice_for_traced
from paramjax.space._tracing import structure, traced
from paramjax.step._gradients import GradFn
from paramjax.step._state import TrainState

_CONCRETE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


class Setting(NamedTuple):
    """Where an optimizer is looked at.

    Attributes:
        workload: Whose loss it trains.
        entry: The optimizer.
        clip_norm: Global norm at which gradients are clipped.
        params: Parameters, or their shapes.
        batch: A batch, or its shapes.
    """

    workload: Workload
    entry: Entry
    clip_norm: float
    params: Params
    batch: Batch


class Programs(NamedTuple):
    """What an optimizer computes with one structure.

    Attributes:
        init: Its initialisation, as `jax.jit(...).trace` returns it.
        step: Clipping and update; with the evaluation of the loss if it declares extra arguments.
        numbers: How many traced hyperparameters are the first inputs of both.
        state: The shapes of its state, as text.
        hash: A hash of what both compute.
    """

    init: Any
    step: Any
    numbers: int
    state: str
    hash: str


def trace(setting: Setting, point: Mapping[str, Any]) -> Programs:
    """Trace the optimizer of a setting with the structure of a point.

    Raises:
        RefusedError: If it cannot be traced, or does what its trace does not show; the message
            says why.
    """
    try:
        return _trace(setting, point, setting.entry.optimizer.extra_args)
    except RefusedError:
        raise
    except (Exception, SystemExit) as error:
        raise RefusedError(_reason(setting, point, error)) from error


def _trace(
    setting: Setting,
    point: Mapping[str, Any],
    extra_args: tuple[str, ...],
    plain: Collection[str] = (),
) -> Programs:
    """Both programs, with the hyperparameters of these names as plain numbers."""
    workload, optimizer = setting.workload, setting.entry.optimizer
    loss_fn: LossFn | GradFn = marked(workload.loss_fn)
    batch, stateful = setting.batch, workload.stateful
    model_state = jax.eval_shape(workload.model_state_of, setting.params)
    if not extra_args:  # the update alone, of a gradient that stands in the batch
        loss_fn, stateful, model_state = GradFn(_given), False, ()
        batch = {"grads": setting.params, "loss": jnp.zeros([])}
    make = clipped_trainer(loss_fn, optimizer, setting.clip_norm, extra_args, stateful=stateful)
    fixed = structure(optimizer.space, point)
    numbers = {n: v[0] for n, v in traced(optimizer.space, [point]).items()}
    fixed.update({name: numbers.pop(name).item() for name in plain})

    def init(numbers: Mapping[str, Any], key: Any, params: Any, model_state: Any) -> TrainState:
        return make({**fixed, **numbers}).init(key, params, model_state)

    def step(numbers: Mapping[str, Any], state: TrainState, batch: Any) -> Any:
        return make({**fixed, **numbers}).step(state, batch)

    shapes = shapes_of((numbers, jax.random.key(0), setting.params, model_state))
    first = jax.jit(init).trace(*shapes)
    state = shapes_of(first.out_info)
    after = jax.jit(step).trace(shapes[0], state, shapes_of(batch))
    refuse_foreign(first.jaxpr, after.jaxpr)
    digits = program_hash(first.jaxpr, after.jaxpr)[:16]
    return Programs(first, after, len(numbers), str(jax.tree.map(_form, state.opt_state)), digits)


def refuse_foreign(*programs: Any) -> None:
    """Raise if a program calls the host, keeps state elsewhere, or has its own batching rules."""
    names = foreign(*programs)
    if names:
        raise RefusedError(
            f"its program calls the host, or does what its trace does not show "
            f"({', '.join(sorted(names))}); an update must be a function of state and gradient "
            "alone, so take callbacks, prints, references and custom batching rules out"
        )


def _given(params: Params, batch: Batch, key: Any) -> tuple[Any, Any, Any]:
    """The gradient and the loss that stand in the batch."""
    del params, key
    return batch["grads"], batch["loss"], {}


def shapes_of(tree: Any) -> Any:
    """Shapes and dtypes as JAX sees them."""
    return jax.eval_shape(lambda same: same, tree)


def _form(leaf: Any) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}"


def _reason(setting: Setting, point: Mapping[str, Any], error: BaseException) -> str:
    """Why an optimizer cannot be traced, in one line."""
    if isinstance(error, _CONCRETE):
        names = _concrete(setting, point)
        which = " and ".join(map(repr, names)) or "a hyperparameter"
        hint = "; a schedule of height 1 can be followed by optax.scale(learning_rate)"
        return (
            f"its structure depends on the value of {which}, which is traced; "
            f"{advice_for_traced(error)}{hint * ('learning_rate' in names)}"
        )
    needed = _undeclared(setting, point)
    if needed:
        name = setting.entry.optimizer.name.rpartition(":")[2]
        return (
            f"its update needs {' and '.join(needed)}, which it does not declare; write {name}"
            f".extra_args = {tuple(needed)} below it"
        )
    return f"its first step raised {one_line(error)}"


def _undeclared(setting: Setting, point: Mapping[str, Any]) -> list[str]:
    """The undeclared extra arguments without which an update cannot be traced, by trying."""
    declared = setting.entry.optimizer.extra_args

    if set(declared) >= set(EXTRA_ARGS) or not _works(setting, point, EXTRA_ARGS):
        return []
    others = {name: tuple(n for n in EXTRA_ARGS if n != name) for name in EXTRA_ARGS}
    return [
        name
        for name, rest in others.items()
        if name not in declared and not _works(setting, point, rest)
    ]


def _concrete(setting: Setting, point: Mapping[str, Any]) -> list[str]:
    """The hyperparameters that must be plain numbers for an update to be traced, by trying."""
    declared, space = setting.entry.optimizer.extra_args, setting.entry.optimizer.space
    names = list(traced(space, [point]))
    alone = [name for name in names if _works(setting, point, declared, {name})]
    if alone or not _works(setting, point, declared, names):
        return alone
    return [n for n in names if not _works(setting, point, declared, {*names} - {n})]


def _works(
    setting: Setting,
    point: Mapping[str, Any],
    extra_args: tuple[str, ...],
    plain: Collection[str] = (),
) -> bool:
    """Whether an optimizer can be traced so."""
    try:
        _trace(setting, point, extra_args, plain)
    except (Exception, SystemExit):
        return False
    return True
