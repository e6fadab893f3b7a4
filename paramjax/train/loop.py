"""A whole training run as one compiled program."""

from __future__ import annotations

import functools
import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax.cache import enable_cache
from paramjax.checks import check_count, check_key, check_params
from paramjax.data.sampler import batch_order
from paramjax.data.validation import check_data
from paramjax.train.processes import check_agreement
from paramjax.train.state import Trainer, TrainState, WholeDataTrainer
from paramjax.types import Array, Batch, Key, Metrics, ModelState, Params, PyTree


class Fit(NamedTuple):
    """What a run leaves behind.

    Attributes:
        params: The parameters to evaluate, `trainer.eval_params(state)`.
        state: The last state; it holds the raw parameters.
        history: Metric name -> array [steps], one value a step.
    """

    params: Params
    state: TrainState
    history: Metrics


class NonFiniteWarning(UserWarning):
    """A run went on although its loss was no longer a finite number."""


def fit(
    trainer: Trainer,
    params: Params,
    data: PyTree,
    *,
    key: Key,
    steps: int,
    batch_size: int | None = None,
    model_state: ModelState = (),
) -> Fit:
    """Train: the whole run is one program, and the data stays on the device.

    Two calls with one trainer and equal shapes compile once.

    Args:
        trainer: What a step is, see `train_step`.
        params: Where to start.
        data: A pytree of arrays [rows, ...].
        key: A typed key; it names the order of the data and the randomness of the steps.
        steps: Number of steps, positive.
        batch_size: Rows a step, drawn without replacement epoch by epoch (rows left over
            at an epoch's end are dropped); None takes the whole data at each step.
        model_state: Where a stateful model starts.

    Returns:
        Parameters, state and history.

    Raises:
        TypeError: For a legacy key, non-numeric data or parameters that are not
            floating-point.
        ValueError: For data that is empty, NaN or of uneven length, an rbg key, a batch
            larger than the data, one for a trainer that draws its own rows, or a step count
            out of range; after the run, if the loss
            was not finite at any step, or processes that ran it together (see `shard`) were
            given different arrays.

    Warns:
        NonFiniteWarning: If the loss was not finite at some step, with the step.

    Example:
        >>> import optax
        >>> from paramjax.train.step import train_step
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> trainer = train_step(loss_fn, optax.sgd(0.1))
        >>> data = jnp.array([1.0, 3.0])
        >>> run = fit(trainer, jnp.zeros(()), data, key=jax.random.key(0), steps=99)
        >>> round(float(run.params), 3), run.history["loss"].shape
        (2.0, (99,))
    """
    check_key(key)
    check_params(params)
    rows = check_data(data)
    check_count("steps", steps)
    if batch_size is not None:
        check_count("batch_size", batch_size)
        if isinstance(trainer, WholeDataTrainer):
            raise ValueError(
                "batch_size: this trainer draws its own rows at a rate of the whole data; leave "
                f"batch_size out, got {batch_size}"
            )
    enable_cache()
    result = _run(
        trainer, params, model_state, data, key, rows=rows, steps=steps, batch_size=batch_size
    )
    losses = result.history["loss"]
    if not losses.is_fully_addressable:
        # only a program over several processes can mix what each of them was given
        check_agreement({"params": params, "model_state": model_state, "data": data, "key": key})
    _judge_losses(np.asarray(losses))
    return result


@functools.partial(jax.jit, static_argnames=("trainer", "rows", "steps", "batch_size"))
def _run(
    trainer: Trainer,
    params: Params,
    model_state: ModelState,
    data: PyTree,
    key: Key,
    *,
    rows: int,
    steps: int,
    batch_size: int | None,
) -> Fit:
    """The compiled program: order of the data, first state, scan over the steps."""
    state_key, data_key = jax.random.split(key)
    state = trainer.init(state_key, params, model_state)
    order = None if batch_size is None else batch_order(data_key, rows, batch_size, steps)
    state, history = scan_steps(trainer, state, data, order, steps)
    return Fit(trainer.eval_params(state), state, history)


def scan_steps(
    trainer: Trainer, state: TrainState, data: PyTree, order: Array | None, steps: int
) -> tuple[TrainState, Metrics]:
    """Run some steps as one scan.

    Args:
        trainer: What a step is.
        state: Where to start.
        data: A pytree of arrays [rows, ...].
        order: int32[steps, batch], the rows of each step; None for all of them.
        steps: Number of steps.

    Returns:
        The last state, and metrics as arrays [steps].

    Example:
        >>> import optax
        >>> from paramjax.train.step import train_step
        >>> trainer = train_step(lambda p, batch, key: (p * batch.mean(), {}), optax.sgd(1.0))
        >>> state = trainer.init(jax.random.key(0), jnp.zeros(()))
        >>> state, history = scan_steps(trainer, state, jnp.ones(4), None, steps=3)
        >>> float(state.params)
        -3.0
    """

    def body(state: TrainState, rows: Array | None) -> tuple[TrainState, Metrics]:
        batch: Batch = data if rows is None else jax.tree.map(lambda leaf: leaf[rows], data)
        return trainer.step(state, batch)

    # numpy leaves inside a scan would be indexed by a tracer, which numpy refuses
    data = jax.tree.map(jnp.asarray, data)
    return jax.lax.scan(body, state, order, length=steps)


def _judge_losses(losses: np.ndarray) -> None:
    """Say at which step the loss was lost, once the run is over."""
    finite = np.isfinite(losses)
    if finite.all():
        return
    if not finite.any():
        raise ValueError(
            "fit: the loss was not finite at any step, so nothing was learned; are all labels in "
            "the range that the loss expects (data.table checks that), and the parameters finite?"
        )
    first = int(np.argmin(finite))
    before = f"the one before was {losses[first - 1]:.6g}" if first else "the first one"
    warnings.warn(
        f"fit: the loss is not finite at step {first} ({before}), and at {int((~finite).sum())} of "
        f"{finite.size} steps; lower the learning rate, clip the gradient, check the labels, or "
        "add pj.skip_nonfinite()",
        NonFiniteWarning,
        stacklevel=3,
    )
