"""What is refused before a run begins, so that nothing is found out after an hour.

`fit` asks all of it; populations, cross-validation and the benchmark ask the same functions.
"""

from __future__ import annotations

import typing
from typing import Any

import jax
import numpy as np

from paramjax._checks import check_count, describe
from paramjax._types import ModelState, PyTree
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
    trainer: Trainer,
    data: Any,
    batch_size: int | None,
    last_batch: LastBatch,
    *,
    shuffle: bool,
    stop: bool,
) -> BatchSpec:
    """Check what is static about a run: trainer, data, batch size and last batch."""
    check_trainer(trainer)
    if last_batch not in typing.get_args(LastBatch):
        raise ValueError(f"last_batch: expected 'drop', 'keep' or 'pad', got {last_batch!r}")
    if not isinstance(shuffle, bool):
        raise TypeError(f"shuffle: expected True or False, got {describe(shuffle)}")
    if batch_size is not None:
        check_batch(trainer, None, batch_size)
    elif last_batch != "drop":
        raise ValueError(f"last_batch: {last_batch!r} says how batches end; pass a batch_size")
    if data is None or is_stream(data):
        _check_has_no_rows(trainer, data, batch_size)
        return BatchSpec(stop=stop)
    if callable(data):
        raise TypeError(f"data: expected arrays or a stream of batches, got {describe(data)}")
    if batch_size is None:
        _check_is_one_tree(data)
    rows = check_data(data)
    if last_batch == "pad":
        check_can_be_padded(data)
    spec = BatchSpec(rows, batch_size, last_batch, stop, shuffle)
    _ = spec.per_epoch  # refuses a batch that is larger than the data
    return spec


def steps_of(
    trainer: Trainer, spec: BatchSpec, data: Any, steps: int | None, epochs: int | None
) -> int:
    """The number of steps, from one of the two ways to say it."""
    if (steps is None) == (epochs is None):
        got = "neither" if steps is None else "both"
        raise ValueError(f"steps: expected either steps or epochs, got {got}")
    if epochs is None:
        return check_count("steps", steps)
    check_count("epochs", epochs)
    if data is None or is_stream(data) or isinstance(trainer, WholeDataTrainer):
        raise ValueError(
            "epochs: how many steps see each row once is known for arrays from which batches are "
            "drawn, not for a stream, for data=None or for a trainer that draws its own rows; "
            "pass steps"
        )
    return check_count("epochs: steps", epochs * spec.per_epoch)


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
    if not isinstance(validation, Validation | None):
        raise TypeError(f"validation: expected a pj.Validation or None, got {describe(validation)}")
    if isinstance(nonfinite, Rollback) and not can_lower(state):
        raise ValueError(
            "nonfinite: pj.Rollback() lowers a learning rate, and the chain holds none that can "
            "be lowered; end it with pj.optim.adjustable_rate() or reduce_on_plateau(), or wrap "
            "it in optax.inject_hyperparams"
        )
    if validation is None:
        check_plateau(state, "validation", "got None; pass a pj.Validation")


def check_plateau(state: PyTree, name: str, remedy: str) -> None:
    """Raise if a state waits for validations and the run has none."""
    if has_plateau(state):
        raise ValueError(
            f"{name}: reduce_on_plateau() waits for validations, {remedy}, or take "
            "optax.contrib.reduce_on_plateau, which goes by the training loss"
        )


def check_trainer(trainer: Any, name: str = "trainer") -> None:
    """Raise unless it is a trainer; `name` names the argument that holds or makes it."""
    if not isinstance(trainer, Trainer):
        raise TypeError(
            f"{name}: expected one such as pj.train_step returns, got {describe(trainer)}"
        )


def check_batch(
    trainer: Trainer, rows: int | None, batch_size: Any, whose: str = "rows of the data"
) -> None:
    """Raise unless steps can take `batch_size` of `rows`; None takes all, of unknown rows no limit.

    Example:
        >>> check_batch(Trainer(None, None, None), 10, 4)
    """
    if batch_size is None:
        return
    check_count("batch_size", batch_size)
    if isinstance(trainer, WholeDataTrainer):
        raise ValueError(
            "batch_size: this trainer draws its own rows at a rate of the whole data; leave "
            f"batch_size out, got {batch_size}"
        )
    if rows is not None and batch_size > rows:
        raise ValueError(
            f"batch_size: expected at most the {rows} {whose}, got {batch_size}; take a smaller "
            "batch, or None for the whole data at each step"
        )


def check_model_state(trainer: Trainer, model_state: ModelState) -> None:
    """Raise if a model state is given that the trainer's loss does not take.

    Example:
        >>> check_model_state(Trainer(None, None, None, stateful=False), ())
    """
    if trainer.stateful is False and jax.tree.leaves(model_state):
        raise ValueError(
            "model_state: the trainer takes none; make it with pj.train_step(..., stateful=True) "
            "and a loss (params, model_state, batch, key) -> (loss, (model_state, metrics)), or "
            "leave model_state out"
        )


def takes_model_state(trainer: Trainer, said: bool | None, what: str = "validation") -> bool:
    """Whether evaluations take the model state: the trainer says so, and `said` must agree.

    Example:
        >>> takes_model_state(Trainer(None, None, None, stateful=True), None)
        True
    """
    if said is None:
        return bool(trainer.stateful)
    if trainer.stateful is not None and said != trainer.stateful:
        raise ValueError(
            f"{what}: stateful={said} contradicts the trainer, which was made with "
            f"stateful={trainer.stateful}; leave stateful out, and the trainer decides"
        )
    return said


def _check_has_no_rows(trainer: Trainer, data: Any, batch_size: int | None) -> None:
    """Raise if rows are to be drawn and there are no data."""
    what = (
        "a stream yields batches of its own size" if data is not None else "data=None has no rows"
    )
    if batch_size is not None:
        raise ValueError(f"batch_size: {what}; leave it out, got {batch_size}")
    if isinstance(trainer, WholeDataTrainer):
        got = "not None" if data is None else "not a stream"
        raise ValueError(
            f"data: this trainer draws its own rows at a rate of the whole data; pass arrays, {got}"
        )


def _check_is_one_tree(data: Any) -> None:
    """Raise for a list of batches: as one pytree, its elements would be leaves of one batch."""
    if not isinstance(data, list) or len(data) < 2:
        return
    forms = [_form(element) for element in data]
    scalars = any(np.ndim(leaf) == 0 for leaf in jax.tree.leaves(data))
    if scalars or any(form != forms[0] for form in forms):
        return
    raise ValueError(
        f"data: a list of {len(data)} elements of one form may be {len(data)} batches, or one "
        "pytree of rows; for batches pass an iterator, itertools.cycle(batches), and for one "
        "pytree tuple(data) or a dict"
    )


def _form(tree: PyTree) -> Any:
    """Structure, dtypes, and shapes behind the rows, by which batches are alike."""
    leaves = jax.tree.leaves(tree)
    return jax.tree.structure(tree), [(np.shape(leaf)[1:], np.result_type(leaf)) for leaf in leaves]
