"""A whole training run: compiled in chunks, validated, saved, and shown."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from paramjax._arrays import nbytes
from paramjax._checks import check_key
from paramjax._status import Status
from paramjax._threefry import Words, split, words
from paramjax._types import Key, ModelState, Params
from paramjax.checkpoints._checkpoints import Checkpoints
from paramjax.checkpoints._store import CheckpointStore
from paramjax.data._sampler import LastBatch
from paramjax.data.streams._cursor import is_stream
from paramjax.logs._background import Background
from paramjax.logs._writer import Writer
from paramjax.runs._batch_spec import BatchSpec, check_weight_is_read
from paramjax.runs._evaluate import check_measures
from paramjax.runs._identity import check_agreement, identity, runtime, spans_processes
from paramjax.runs._inputs import Inputs, RunConfig, start_identity, validation_identity
from paramjax.runs._interrupt import Interrupts, InterruptWarning
from paramjax.runs._nonfinite import NonFiniteError, Rollback, judge_losses
from paramjax.runs._order import Order
from paramjax.runs._preflight import (
    batch_spec,
    check_rates,
    check_saving,
    check_source,
    steps_of,
)
from paramjax.runs._progress import Progress
from paramjax.runs._result import Fit
from paramjax.runs._sources import ArraySource, BatchSource, StreamSource, placer
from paramjax.runs._start import checked_start, first_state
from paramjax.runs._step_loop import burst_of
from paramjax.runs._train_loop import TrainLoop
from paramjax.runs._validation import Validation
from paramjax.runs._validator import Validator
from paramjax.step._state import Trainer, TrainState


def fit(
    trainer: Trainer,
    params: Params | None,
    data: Any,
    *,
    key: Key,
    steps: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    last_batch: LastBatch = "drop",
    shuffle: bool = True,
    model_state: ModelState | Callable[[Params], ModelState] = (),
    state: TrainState | None = None,
    validation: Validation | None = None,
    checkpoints: Checkpoints | None = None,
    nonfinite: str | Rollback = "stop",
    logs: Sequence[Writer] = (),
    progress: bool | None = None,
) -> Fit:
    """Train: compiled in chunks of steps, with all that the host does between two chunks.

    Where a run is cut into chunks never changes a bit of it. Two calls with one trainer and
    equal shapes compile once. docs/runs.md goes through the choices.

    Args:
        trainer: What a step is, see `train_step`.
        params: Where to start; None with `state`.
        data: A pytree of arrays [rows, ...], which lies on the device; or a stream of batches:
            an iterator, an iterable (begun again at its end), or a function `(step) ->
            iterator` of the batches from that step on, read ahead by a thread. Iterators with
            `get_state` and `set_state` (grain) or `state_dict` and `load_state_dict` (torchdata)
            are resumed by their own state, others by drawing and dropping batches. Lists and
            tuples are pytrees of arrays. None where the loss draws its own batches.
        key: A typed key, of which `state_key, data_key = jax.random.split(key)`. Step t, counted
            by `state.step` from 0, is given `fold_in(state_key, t)`, and epoch e takes the rows in
            the order `permutation(fold_in(data_key, e), rows)`.
        steps: Number of steps in all, positive; a run that goes on does those that are left.
        epochs: Number of times that each row is seen, instead of `steps`, positive; only for
            arrays.
        batch_size: Rows a step, drawn without replacement epoch by epoch; None takes the whole
            data at each step, or what a stream yields.
        last_batch: What becomes of the rows left over at an epoch's end: "drop" leaves them
            out, "keep" makes a smaller batch of them, "pad" fills it up and adds
            `batch["weight"]`, 1 for rows and 0 for padding (see `losses.supervised`).
        shuffle: Whether each epoch has an order of its own. Without, all take the rows of arrays
            in their order, and "drop" always leaves out the same ones.
        model_state: Where a stateful model starts, or a function `(params) -> model_state`, such
            as `lambda params: params` for a teacher that begins as a copy.
        state: The state to go on from, such as `run.state` of another run: parameters, model
            state, optimizer, hooks and the number of steps that schedules and keys go by. Data,
            batch size and loss may differ. `steps`, the order of the data, history and validations
            are counted from the beginning of this run.
        validation: What to measure on held-out data, how often, and whether to stop early.
        checkpoints: Where checkpoints lie and how often one is written; None saves nothing. The
            same call with the same folder goes on from the newest good one.
        nonfinite: What to do about a step whose loss, gradient norm or parameters are not finite:
            "stop" raises and keeps the state before it, "warn" goes on and saves no such
            parameters (those that are not finite at the start, such as masks of -inf, do not
            count), a `Rollback` returns to a checkpoint with a lower rate. To skip such
            steps, give the trainer the hook `pj.hooks.skip_nonfinite()`, which takes precedence.
        logs: Any of `pj.logs`: `CSV`, `JSONLines`, `TensorBoard` or your own.
        progress: Whether to show a progress bar; None shows it on a terminal.

    Returns:
        Parameters with their model state, state, history and validations. A run that Ctrl-C ends
        returns those so far.

    Raises:
        TypeError: For a legacy key, non-numeric data, parameters that are not floating-point, or
            an argument of another type.
        ValueError: For data that is empty, NaN or of uneven length, an rbg key, a batch
            larger than the data, one for a trainer that draws its own rows, a list of batches, a
            count out of range, arguments that contradict each other; a state of another optimizer;
            a folder that holds another run, with what differs; arrays that differ between
            processes that run it together (see `shard`).
        NonFiniteError: If a step was not finite, with step, leaf and last finite loss; its
            `fit` holds all that was done before. With "warn", if no loss was finite.
        StreamEnded: If a stream has fewer batches than steps.
        StreamChanged: If a batch of it has another form than the first one.
        RunInUse: If another run holds the folder.
        OSError: If the folder, or the file of a log, cannot be written.

    Warns:
        NonFiniteWarning: If a step was not finite and the run went on.
        DamageWarning: For each checkpoint that was passed over because it is damaged.
        SaveWarning: If a checkpoint could not be written; the run goes on.
        ProgramWarning: If a run goes on whose step computes something else than before, because
            JAX or the devices changed or `Checkpoints(allow_new_program=True)` allows it; or
            validates something else, which forgets the best validation so far.
        InterruptWarning: If Ctrl-C or SIGTERM ended the run.

    Example:
        >>> import optax
        >>> import jax.numpy as jnp
        >>> from paramjax import train_step
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> trainer = train_step(loss_fn, optax.sgd(0.1))
        >>> data = jnp.array([1.0, 3.0])
        >>> run = fit(trainer, jnp.zeros(()), data, key=jax.random.key(0), steps=99)
        >>> round(float(run.params), 3), run.history["loss"].shape
        (2.0, (99,))
    """
    check_key(key)
    check_saving(checkpoints, nonfinite)
    stop, streamed = nonfinite != "warn", is_stream(data)
    spec = batch_spec(trainer, data, batch_size, last_batch, shuffle=shuffle, stop=stop)
    start = checked_start(trainer, params, model_state, state)
    steps = steps_of(trainer, spec, data, steps, epochs)
    check_source(data, nonfinite)
    burst = burst_of(nbytes(start.where()), steps, _periods(spec, validation, checkpoints))
    spec = spec._replace(burst=burst)
    state_key, data_key = split(words(key))
    begin = functools.partial(first_state, trainer, start, state_key)
    first = begin()
    joint = spans_processes(first)
    if joint:
        # only a program over several processes can mix what each of them was given
        given = start._asdict() | {"data": None if streamed else data, "key": key}
        check_agreement(given)
    check_rates(first, nonfinite, validation)
    source = _source(trainer, spec, data, first, data_key, steps)
    validator = _validator(trainer, validation, first)
    config = RunConfig(trainer, steps, nonfinite, joint, burst)
    with contextlib.ExitStack() as opened:
        opened.enter_context(_asking_for_model_state(trainer, first.model_state))
        opened.enter_context(contextlib.closing(source))
        store = None
        if checkpoints is not None:
            config = dataclasses.replace(
                config, every=checkpoints.every, allow_new_program=checkpoints.allow_new_program,
                inputs=Inputs(
                    start_identity(start), validation_identity(validation),
                    validator.evaluation_hash(first), runtime(first),
                ),
            )  # fmt: skip
            made_of = identity(spec, key, None if streamed else data, streamed=streamed)
            store = opened.enter_context(_store(checkpoints, made_of, joint))
        background = Background(logs if jax.process_index() == 0 or not joint else ())
        opened.enter_context(contextlib.closing(background))
        run = TrainLoop(config, first, source, validator, store, background, begin)
        del first  # its memory is taken over by the first chunk
        if store is not None:
            run.restore()
        return _finished(run, config, progress)


def _source(
    trainer: Trainer, spec: BatchSpec, data: Any, first: TrainState, data_key: Words, steps: int
) -> BatchSource:
    """Where the batches come from, on the devices of the first state."""
    private = placer(first, private=True)
    if is_stream(data):
        return StreamSource(trainer, spec, data, private, steps)
    order = None if spec.batch_size is None else Order(spec, data_key, steps, private)
    source = ArraySource(trainer, spec, placer(first)(data), order)
    if spec.last == "pad":
        check_weight_is_read(trainer, first, source.form)
    return source


def _periods(
    spec: BatchSpec, validation: Validation | None, checkpoints: Checkpoints | None
) -> list[int]:
    """After how many steps something else happens than one more step."""
    every = [getattr(given, "every", None) for given in (validation, checkpoints)]
    rest = [spec.per_epoch - 1] if spec.has_rest and spec.per_epoch > 1 else []
    return [period for period in every if isinstance(period, int)] + rest


@contextlib.contextmanager
def _asking_for_model_state(trainer: Trainer, model_state: ModelState) -> Iterator[None]:
    """Say that a stateful trainer was given no model state, if a loss cannot do without."""
    try:
        yield
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        if trainer.stateful and not jax.tree.leaves(model_state):
            error.add_note("fit: the trainer is stateful; was model_state= forgotten?")
        raise


def _store(checkpoints: Checkpoints, made_of: dict[str, Any], joint: bool) -> CheckpointStore:
    return CheckpointStore(
        checkpoints.folder, identity=made_of, keep=checkpoints.keep, fresh=checkpoints.fresh,
        allow_new_program=checkpoints.allow_new_program, joint=joint,
    )  # fmt: skip


def _validator(trainer: Trainer, validation: Validation | None, state: TrainState) -> Validator:
    """The validations to come, which are seen to measure what they go by."""
    if validation is None:
        return Validator(trainer, None, None)
    data = placer(state)(validation.data)
    check_measures(trainer, validation, state, data)
    return Validator(trainer, validation, data)


def _finished(run: TrainLoop, config: RunConfig, progress: bool | None) -> Fit:
    """Train to the end, or to Ctrl-C, showing progress."""
    try:
        with (
            Interrupts(terminations=run.saves) as interrupts,
            Progress(config.steps, progress, start=run.step) as bar,
        ):
            status = run.go(bar, interrupts)
        result = run.result(status)
        judge_losses(result.history.get("loss", np.zeros(0)))
    except NonFiniteError as error:
        error.fit = run.result(Status.DIVERGED)
        raise
    if status == Status.INTERRUPTED:
        kept = "a checkpoint was saved" if run.saves else "nothing was saved"
        warnings.warn(
            f"fit: interrupted after {run.step} of {config.steps} steps; what was done is "
            f"returned, and {kept}",
            InterruptWarning,
            stacklevel=3,
        )
        run.close()
        interrupts.pass_on()
    return result
