"""The first step of an optimizer, tried before anything is trained."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from paramjax._checks import leaf_name
from paramjax._types import Array, Batch, Hyperparameters, Params
from paramjax.bench._entries import one_line
from paramjax.bench._protocol import Protocol
from paramjax.bench.workloads._workload import Workload
from paramjax.optim import Optimizer
from paramjax.populations._starts import Starts
from paramjax.space._tracing import structure, traced
from paramjax.step._state import Trainer
from paramjax.step._train_step import train_step


class PreflightError(ValueError):
    """An optimizer cannot take its first step; the message says why."""


def make_trainer(
    workload: Workload, optimizer: Optimizer, protocol: Protocol
) -> Callable[[Hyperparameters], Trainer]:
    """The step every entry trains with: the same clipping, then the optimizer.

    The returned function raises PreflightError if the factory returns no gradient transformation.
    """

    def make(hyperparameters: Hyperparameters) -> Trainer:
        tx = optimizer.factory(**hyperparameters)
        if not isinstance(tx, optax.GradientTransformation):
            raise PreflightError(
                f"its factory returned {type(tx).__name__}, expected an optax gradient "
                "transformation"
            )
        clipped = optax.chain(optax.clip_by_global_norm(protocol.clip_norm), tx)
        return train_step(workload.loss_fn, clipped)

    return make


def first_step(
    workload: Workload, optimizer: Optimizer, protocol: Protocol, starts: Starts, data: Batch
) -> None:
    """Take the first step of the first trial and seed, as the population will.

    Raises:
        PreflightError: If the factory raises or returns no transformation, if its updates
            differ from the parameters in tree or shape, or if a parameter is NaN or
            infinite after the step.
    """
    run = protocol.tuning_runs(optimizer)[0]
    fixed = structure(optimizer.space, run.hyperparameters)
    numbers = {n: v[0] for n, v in traced(optimizer.space, [run.hyperparameters]).items()}
    params, key = jax.tree.map(lambda leaf: leaf[0], (starts.params, starts.key))
    rows = slice(workload.batch_size)
    batch = jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], data)
    make = make_trainer(workload, optimizer, protocol)

    @jax.jit
    def step(numbers: dict[str, Array], params: Params, batch: Batch) -> Params:
        trainer = make({**fixed, **numbers})
        return trainer.step(trainer.init(key, params), batch)[0].params

    try:
        after = step(numbers, params, batch)
    except PreflightError:
        raise
    except jax.errors.ConcretizationTypeError as error:
        raise PreflightError(
            "its structure depends on the value of a hyperparameter, which is traced; draw that "
            "one with choice([...], static=True), or use jnp.where"
        ) from error
    except Exception as error:
        raise PreflightError(f"its first step raised {one_line(error)}") from error
    for path, leaf in jax.tree_util.tree_leaves_with_path(after):
        if not bool(jnp.isfinite(leaf).all()):
            raise PreflightError(
                f"its first update makes parameter {leaf_name(path)} NaN or infinite "
                f"(hyperparameters {run.hyperparameters})"
            )
