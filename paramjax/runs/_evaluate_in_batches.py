"""Means of metrics over all rows of some data, weighted by row."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import describe
from paramjax._types import Batch, Metrics, PyTree
from paramjax.step._state import Trainer, TrainState


@functools.partial(jax.jit, static_argnames=("trainer", "evaluate", "batch_size", "stateful"))
def evaluate_in_batches(
    trainer: Trainer,
    evaluate: Callable[..., Any],
    batch_size: int | None,
    stateful: bool,
    state: TrainState,
    data: PyTree,
) -> Metrics:
    """Measure a state batch by batch; one program for equal arguments.

    Args:
        trainer: Says which parameters are to be evaluated.
        evaluate: `(params, batch) -> metrics`, or `(params, model_state, batch) -> metrics`.
        batch_size: Rows evaluated at once; None takes all.
        stateful: Whether `evaluate` is given the model state.
        state: The state.
        data: Leaves [rows, ...].

    Returns:
        Name -> float32[], the mean over the rows: a last incomplete batch counts as much as it
        has rows.

    Raises:
        TypeError: If `evaluate` returns something other than metrics.
        ValueError: If a metric is no scalar.

    Example:
        >>> trainer = Trainer(None, None, lambda state: state.params)
        >>> state = TrainState(jnp.int32(0), jnp.float32(2.0), (), (), (), None)
        >>> held_out = jnp.array([1.0, 2.0, 6.0])
        >>> measure = lambda params, batch: {"mean": params * batch.mean()}
        >>> float(evaluate_in_batches(trainer, measure, 2, False, state, held_out)["mean"])
        6.0
    """
    params = trainer.eval_params(state)
    carried = (state.model_state,) if stateful else ()
    rows = jax.tree.leaves(data)[0].shape[0]
    size = min(batch_size or rows, rows)
    full = rows // size

    def sums(batch: Batch, count: int) -> Metrics:
        metrics = _scalars(as_metrics(evaluate(params, *carried, batch)))
        return {name: value * count for name, value in metrics.items()}

    batches = jax.tree.map(
        lambda leaf: leaf[: full * size].reshape(full, size, *leaf.shape[1:]), data
    )
    whole = jax.lax.map(lambda batch: sums(batch, size), batches)
    total = jax.tree.map(lambda values: values.sum(axis=0), whole)
    if rows % size:
        rest = jax.tree.map(lambda leaf: leaf[full * size :], data)
        total = jax.tree.map(jnp.add, total, sums(rest, rows % size))
    return {name: value / rows for name, value in total.items()}


def as_metrics(output: Any) -> Metrics:
    """Return what `evaluate` returned as metrics: a loss function's pair holds them, too."""
    if isinstance(output, tuple) and len(output) == 2 and isinstance(output[1], dict):
        output = {**output[1], "loss": output[0]}
    if not isinstance(output, dict) or not output:
        raise TypeError(
            "evaluate: expected it to return metrics, such as {'loss': ...}, or a pair "
            f"(loss, metrics), got {describe(output)}"
        )
    if "step" in output:
        raise ValueError("evaluate: a metric is called 'step', which is the number of the step")
    return output


def _scalars(metrics: Metrics) -> Metrics:
    """Return metrics as float32 scalars."""
    for name, value in metrics.items():
        if jnp.shape(value) != ():
            raise ValueError(
                f"evaluate: metric {name!r} has shape {jnp.shape(value)}, expected a scalar; "
                "take its mean over the rows"
            )
    return {name: jnp.asarray(value, jnp.float32) for name, value in metrics.items()}
