"""The metrics of a state on held-out data: sums and means over all rows, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import check_takes, describe, is_key
from paramjax._programs import owned_jit
from paramjax._types import Batch, Metrics, PyTree
from paramjax.metrics import Sums
from paramjax.metrics._sums import widened
from paramjax.runs._preflight import takes_model_state
from paramjax.runs._validation import Validation
from paramjax.step._state import Trainer, TrainState


def evaluate(
    trainer: Trainer, validation: Validation, state: TrainState, data: PyTree
) -> dict[str, float]:
    """The mean of each metric of a state over the rows of the validation's data."""
    values = measured(trainer, validation, state, data)
    return {name: float(value) for name, value in values.items()}


def measured(
    trainer: Trainer, validation: Validation, state: TrainState, data: PyTree
) -> dict[str, np.ndarray]:
    """The metrics, each float32[], or float64[] where 64 bits are enabled."""
    means = evaluate_in_batches(*static_arguments(trainer, validation), state, data)
    return {name: np.asarray(value) for name, value in jax.device_get(means).items()}


def check_measures(
    trainer: Trainer, validation: Validation, state: TrainState, data: PyTree
) -> None:
    """Raise, before the run begins, unless the validation measures its metric."""
    stateful = takes_model_state(trainer, validation.stateful)
    names = ("params", "model_state", "batch") if stateful else ("params", "batch")
    check_takes(validation.evaluate, names, "validation: evaluate")
    shapes = evaluate_in_batches.of(*static_arguments(trainer, validation)).eval_shape(state, data)
    validation.score(dict.fromkeys(shapes, 0.0))


def static_arguments(trainer: Trainer, validation: Validation) -> tuple[Any, ...]:
    """The first arguments of `evaluate_in_batches`, on which its program depends."""
    stateful = takes_model_state(trainer, validation.stateful)
    return trainer, validation.evaluate, validation.batch_size, stateful


@owned_jit(static=4)
def evaluate_in_batches(
    trainer: Trainer,
    evaluate: Callable[..., Any],
    batch_size: int | None,
    stateful: bool,
    state: TrainState,
    data: PyTree,
) -> Metrics:
    """Metrics over all rows: `Sums` are added; of scalars the mean is taken, weighted by rows.

    Example:
        >>> trainer = Trainer(None, None, lambda state: state.params)
        >>> state = TrainState(jnp.int32(0), jnp.float32(2.0), (), (), (), None)
        >>> held_out = jnp.array([1.0, 2.0, 6.0])
        >>> measure = lambda params, batch: {"mean": params * batch.mean()}
        >>> float(evaluate_in_batches(trainer, measure, 2, False, state, held_out)["mean"])
        6.0
    """
    params = trainer.eval_params(state)
    model_state = (trainer.eval_model_state(state),) if stateful else ()
    rows = jax.tree.leaves(data)[0].shape[0]
    size = min(batch_size or rows, rows)
    full = rows // size

    finishes: dict[str, Callable[[PyTree], Any]] = {}

    def sums(batch: Batch, count: int) -> dict[str, PyTree]:
        metrics: dict[str, Any] = as_metrics(evaluate(params, *model_state, batch))
        finishes.update({n: v.finish for n, v in metrics.items() if isinstance(v, Sums)})
        return {name: _sum_of(name, value, count) for name, value in metrics.items()}

    batches = jax.tree.map(
        lambda leaf: leaf[: full * size].reshape(full, size, *leaf.shape[1:]), data
    )
    whole = jax.lax.map(lambda batch: sums(batch, size), batches)
    total = jax.tree.map(lambda values: values.sum(axis=0), whole)
    if rows % size:
        rest = jax.tree.map(lambda leaf: leaf[full * size :], data)
        total = jax.tree.map(jnp.add, total, sums(rest, rows % size))
    return {
        name: _scalar(name, finishes[name](value)) if name in finishes else value / rows
        for name, value in total.items()
    }


def _sum_of(name: str, value: Any, count: int) -> PyTree:
    """The sums of a metric over the rows of a batch, at least float32 where they are floats."""
    if not isinstance(value, Sums):
        return _scalar(name, value) * count
    return jax.tree.map(_widened, value.sums)


def _widened(leaf: Any) -> Any:
    leaf = jnp.asarray(leaf)
    return widened(leaf) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf


def finished(metrics: dict[str, Any]) -> Metrics:
    """Metrics of a whole set: `Sums` become the scalars that they are the sums of."""
    return {name: v.value() if isinstance(v, Sums) else v for name, v in metrics.items()}


def as_metrics(output: Any) -> Metrics:
    """What `evaluate` returned as metrics: a loss function's pair holds them, too."""
    if isinstance(output, tuple) and len(output) == 2:
        loss, metrics = output
        if isinstance(metrics, tuple) and len(metrics) == 2:
            _, metrics = metrics  # those of a stateful loss come beside its new state
        if isinstance(metrics, dict):
            output = {**metrics, "loss": loss}
    if not isinstance(output, dict) or not output:
        raise TypeError(
            "evaluate: expected it to return metrics, such as {'loss': ...}, or a pair "
            f"(loss, metrics), got {describe(output)}"
        )
    for name in output:
        if not isinstance(name, str) or not name:
            raise TypeError(f"evaluate: expected names of metrics, got {describe(name)}")
        if name in _TAKEN:
            raise ValueError(
                f"evaluate: a metric is called {name!r}, which is {_TAKEN[name]}; rename it"
            )
    return output


_TAKEN = {
    "step": "the number of the step",
    "train_loss": "the mean loss of the training steps between two evaluations",
}
"""Names that the curves of an evaluation have already."""


def _scalar(name: str, value: Any) -> Any:
    if not jax.tree_util.all_leaves([value]) or isinstance(value, str | bytes):
        raise TypeError(
            f"evaluate: metric {name!r} is {describe(value)}, expected a number; give each number "
            "a name of its own"
        )
    if not isinstance(value, bool | int | float | complex | np.generic | np.ndarray | jax.Array):
        raise TypeError(f"evaluate: metric {name!r} is {describe(value)}, expected a number")
    if jnp.shape(value) != ():
        raise ValueError(
            f"evaluate: metric {name!r} has shape {jnp.shape(value)}, expected a scalar; "
            "take its mean over the rows"
        )
    dtype = jnp.result_type(value)
    if is_key(value) or jnp.issubdtype(dtype, jnp.complexfloating):
        raise TypeError(f"evaluate: metric {name!r} is {dtype}, expected a real number")
    wide = jnp.result_type(float) if dtype.itemsize == 8 else jnp.float32
    return jnp.asarray(value, wide)
