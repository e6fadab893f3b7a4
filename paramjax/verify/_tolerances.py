"""The trainings whose programs differ, so that they agree to rounding only."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import AxisType

from paramjax._types import Array, Hyperparameters, Params, PyTree
from paramjax.populations._execution import Layout
from paramjax.populations._orders import Orders
from paramjax.populations._population import Population
from paramjax.populations._problem import Problem as TrainingProblem
from paramjax.populations._starts import prepare_starts
from paramjax.populations._trial_run import TrialRun
from paramjax.runs._fit import fit
from paramjax.space._ranges import log_uniform
from paramjax.step._state import scan_steps
from paramjax.step.trainers._shard import shard
from paramjax.verify._problem import (
    BATCH_SIZE,
    LEARNING_RATE,
    ROWS,
    ReferenceProblem,
    draw_params,
    make_trainer,
)

STEPS = 50
"""Steps compared; training amplifies a difference of rounding, the longer the more."""

RELATIVE = 1e-5
"""What is promised over that many steps."""

_SPLIT_FROM = 128
_TRIALS, _SEEDS = 3, 2


class Mapped(NamedTuple):
    """The results of a run, or of several runs stacked.

    Attributes:
        params: Parameters to evaluate.
        history: Metric name -> [steps].
    """

    params: Params
    history: PyTree


def in_float32(loss: Callable[..., Any]) -> Callable[..., Any]:
    """The same loss with products in float32: those of TF32 or bfloat16 round to three digits."""

    @functools.wraps(loss)
    def exact(*inputs: Any) -> Any:
        with jax.default_matmul_precision("float32"):
            return loss(*inputs)

    return exact


def on_devices(problem: ReferenceProblem) -> dict[str, PyTree]:
    """The run on one device, with its rows split, and with its parameters split, too."""
    devices = usable_devices(jax.device_count())
    mesh = jax.make_mesh(
        (devices,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices]
    )
    plain = make_trainer(LEARNING_RATE, in_float32)
    split = functools.partial(shard, plain, mesh, min_size=_SPLIT_FROM)
    trainers = {"one": plain, "rows": split(), "params": split(params_axis="data")}
    return {name: _leaves(problem, trainer) for name, trainer in trainers.items()}


def usable_devices(count: int) -> int:
    """How many of `count` devices can split a batch: a power of two.

    Example:
        >>> usable_devices(8), usable_devices(6), usable_devices(100)
        (8, 4, 32)
    """
    return max(n for n in (1, 2, 4, 8, 16, BATCH_SIZE) if n <= count)


def _leaves(problem: ReferenceProblem, trainer: Any) -> dict[str, Any]:
    result = fit(
        trainer,
        problem.params,
        problem.data,
        key=problem.key,
        steps=STEPS,
        batch_size=BATCH_SIZE,
        progress=False,
    )
    return {"params": result.params, "state": result.state._asdict(), "history": result.history}


def in_population(problem: ReferenceProblem) -> Mapped:
    """Runs with several learning rates and seeds, trained as one program: leaves [runs, ...]."""
    population = Population(
        lambda hp: make_trainer(hp["learning_rate"], in_float32),
        {"learning_rate": log_uniform(1e-4, 1e-2)},
        TrainingProblem(init=draw_params, data=problem.data, batch_size=BATCH_SIZE),
        starts=_starts(problem),
        seeds=range(_SEEDS),
        steps=STEPS,
    )
    trained = population.train(_runs(), Layout(len(_runs())))
    return Mapped(trained.params, trained.history)


def single(problem: ReferenceProblem) -> Mapped:
    """The same runs, one after the other: leaves [runs, ...]."""
    starts = _starts(problem)
    data = jax.tree.map(jnp.asarray, problem.data)
    order = Orders(starts.data_key, len(starts.key), ROWS, BATCH_SIZE, STEPS).block(0)
    assert order is not None

    @jax.jit
    def one(hyperparameters: Hyperparameters, seed: Array) -> Mapped:
        trainer = make_trainer(hyperparameters["learning_rate"], in_float32)
        params, key = jax.tree.map(lambda leaf: leaf[seed], (starts.params, starts.key))
        state = trainer.init(key, params)
        state, history = scan_steps(trainer, state, data, order[:, seed], STEPS)
        return Mapped(trainer.eval_params(state), history)

    ends = [one(run.hyperparameters, jnp.int32(run.seed)) for run in _runs()]
    return Mapped(*jax.tree.map(lambda *leaves: jnp.stack(leaves), *ends))


def _starts(problem: ReferenceProblem) -> Any:
    return prepare_starts(draw_params, problem.key, range(_SEEDS))


def _runs() -> list[TrialRun]:
    rates = [LEARNING_RATE * 3.0 ** (trial - 1) for trial in range(_TRIALS)]
    return [
        TrialRun(trial, seed, {"learning_rate": rate})
        for trial, rate in enumerate(rates)
        for seed in range(_SEEDS)
    ]
