"""What is refused before a run begins, so that nothing is found out after an hour."""

from __future__ import annotations

import typing
from typing import Any

from paramjax._checks import check_count, describe
from paramjax.checkpoints._checkpoints import Checkpoints
from paramjax.data._sampler import LastBatch
from paramjax.data._validation import check_data
from paramjax.data.streams._cursor import can_rewind, is_stream
from paramjax.optim import can_lower, has_plateau
from paramjax.runs._batch_spec import BatchSpec, check_can_be_padded
from paramjax.runs._nonfinite import Rollback
from paramjax.runs._validation import Validation
from paramjax.step._state import Trainer, TrainState, WholeDataTrainer


def batch_spec(
    trainer: Trainer, data: Any, batch_size: int | None, last_batch: LastBatch, *, stop: bool
) -> BatchSpec:
    """Check what is static about a run: trainer, data, batch size and last batch."""
    if not isinstance(trainer, Trainer):
        raise TypeError(f"trainer: expected one such as pj.train_step returns, got {trainer!r}")
    if last_batch not in typing.get_args(LastBatch):
        raise ValueError(f"last_batch: expected 'drop', 'keep' or 'pad', got {last_batch!r}")
    if batch_size is not None:
        check_count("batch_size", batch_size)
        _check_draws_batches(trainer, batch_size)
    elif last_batch != "drop":
        raise ValueError(f"last_batch: {last_batch!r} says how batches end; pass a batch_size")
    if is_stream(data):
        _check_stream(trainer, batch_size)
        return BatchSpec(stop=stop)
    if callable(data):
        raise TypeError(f"data: expected arrays or a stream of batches, got {describe(data)}")
    rows = check_data(data)
    if last_batch == "pad":
        check_can_be_padded(data)
    spec = BatchSpec(rows, batch_size, last_batch, stop)
    _ = spec.per_epoch  # refuses a batch that is larger than the data
    return spec


def check_saving(checkpoints: Any, nonfinite: str | Rollback) -> None:
    """Raise where checkpoints are not a `Checkpoints`, or a rollback has none to go back to."""
    rolls_back = isinstance(nonfinite, Rollback)
    if not rolls_back and nonfinite not in ("stop", "warn"):
        raise ValueError(
            f"nonfinite: expected 'stop', 'warn' or a pj.Rollback(), got {nonfinite!r}; to skip "
            "such steps, give the trainer the hook pj.hooks.skip_nonfinite()"
        )
    if checkpoints is not None and not isinstance(checkpoints, Checkpoints):
        raise TypeError(
            "checkpoints: expected pj.Checkpoints(folder) or None, got " + describe(checkpoints)
        )
    if checkpoints is None and rolls_back:
        raise ValueError(
            "nonfinite: pj.Rollback() returns to a checkpoint, and nothing is saved; pass "
            "checkpoints=pj.Checkpoints(folder)"
        )


def check_source(data: Any, nonfinite: str | Rollback) -> None:
    """Raise if a run may roll back and its stream cannot be opened again at an earlier step."""
    if isinstance(nonfinite, Rollback) and is_stream(data) and not can_rewind(data):
        raise ValueError(
            "nonfinite: a run that rolls back needs its batches again, got "
            f"{describe(data)}, which is lost once read; pass an iterable, a function "
            "(step) -> iterator, or an iterator with get_state and set_state"
        )


def check_rates(
    state: TrainState, nonfinite: str | Rollback, validation: Validation | None
) -> None:
    """Raise if nothing in the state can lower a rate, or a plateau waits in vain."""
    if isinstance(nonfinite, Rollback) and not can_lower(state):
        raise ValueError(
            "nonfinite: pj.Rollback() lowers a learning rate, and the chain holds none that can "
            "be lowered; end it with pj.optim.adjustable_rate() or reduce_on_plateau(), or wrap "
            "it in optax.inject_hyperparams"
        )
    if has_plateau(state) and validation is None:
        raise ValueError(
            "validation: reduce_on_plateau() waits for validations, got None; pass a "
            "pj.Validation, or take optax.contrib.reduce_on_plateau, which goes by the training "
            "loss"
        )


def _check_draws_batches(trainer: Trainer, batch_size: int) -> None:
    if isinstance(trainer, WholeDataTrainer):
        raise ValueError(
            "batch_size: this trainer draws its own rows at a rate of the whole data; leave "
            f"batch_size out, got {batch_size}"
        )


def _check_stream(trainer: Trainer, batch_size: int | None) -> None:
    if batch_size is not None:
        raise ValueError(
            f"batch_size: a stream yields batches of its own size; leave it out, got {batch_size}"
        )
    if isinstance(trainer, WholeDataTrainer):
        raise ValueError(
            "data: this trainer draws its own rows at a rate of the whole data; pass arrays, not "
            "a stream"
        )
