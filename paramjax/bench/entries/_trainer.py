"""The step that every optimizer of a benchmark trains with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optax

from paramjax._types import Hyperparameters, LossFn, PyTree
from paramjax.bench.workloads._workload import Workload
from paramjax.optim import Optimizer
from paramjax.step._gradients import GradFn
from paramjax.step._state import Trainer
from paramjax.step._train_step import as_transformation, train_step

EXTRA_ARGS = ("grad", "grad_fn", "value_fn", "obj_fn")
"""The extra arguments that an optimizer gets only if it declares them."""


def make_trainer(
    workload: Workload, optimizer: Optimizer, clip_norm: float
) -> Callable[[Hyperparameters], Trainer]:
    """The step of an optimizer: the gradient, the same clipping for everybody, the optimizer.

    Its update gets the loss as `value`, and of `grad`, `grad_fn`, `value_fn` and `obj_fn` those
    that it declares.

    Args:
        workload: Whose loss is trained.
        optimizer: Whose factory is called.
        clip_norm: Global norm at which the gradient is clipped.

    Returns:
        `(hyperparameters) -> Trainer`, which raises TypeError if the factory returns no gradient
        transformation.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from paramjax.bench.workloads import Workload
        >>> from paramjax.optim import get
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> data = jnp.array([1.0, 3.0])
        >>> mean = Workload(name="mean", init=lambda key: 0.0, loss_fn=loss_fn, data=data)
        >>> trainer = make_trainer(mean, get("sgd"), 1.0)({"learning_rate": 0.5})
        >>> state = trainer.init(jax.random.key(0), jnp.zeros(()))
        >>> float(trainer.step(state, data)[0].params)
        0.5
    """
    loss_fn, stateful = workload.loss_fn, workload.stateful
    return clipped_trainer(loss_fn, optimizer, clip_norm, optimizer.extra_args, stateful=stateful)


def clipped_trainer(
    loss_fn: LossFn | GradFn,
    optimizer: Optimizer,
    clip_norm: float,
    extra_args: tuple[str, ...],
    *,
    stateful: bool,
) -> Callable[[Hyperparameters], Trainer]:
    """The step of an optimizer with these extra arguments, whatever it declares."""

    def make(hyperparameters: Hyperparameters) -> Trainer:
        tx = optimizer.factory(**hyperparameters)
        if not isinstance(tx, optax.GradientTransformation | optax.MultiSteps):
            raise TypeError(
                f"its factory returned {type(tx).__name__}, expected an optax gradient "
                "transformation"
            )
        seeing = _seeing(as_transformation(tx), extra_args)
        clipped = optax.chain(optax.clip_by_global_norm(clip_norm), seeing)
        return train_step(loss_fn, clipped, stateful=stateful)

    return make


def _seeing(
    tx: optax.GradientTransformationExtraArgs, names: tuple[str, ...]
) -> optax.GradientTransformationExtraArgs:
    """A transformation that sees `value` and these extra arguments only."""

    def update(
        updates: PyTree, state: PyTree, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, PyTree]:
        given = {n: extra[n] for n in ("value", *names) if n in extra}
        new_updates, new_state = tx.update(updates, state, params, **given)
        return new_updates, new_state

    return optax.GradientTransformationExtraArgs(tx.init, update)
