"""k-fold cross-validation, all folds as one compiled program."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._arrays import by_numpy, on_device
from paramjax._checks import check_count, check_key, describe, nearest
from paramjax._host_keys import split_key
from paramjax._programs import owned_jit
from paramjax._threefry import Words, fold_in, words
from paramjax._types import Array, Hyperparameters, Key, Metrics, ModelState, Params, PyTree
from paramjax.data._sampler import host_batches, steps_per_epoch
from paramjax.optim import has_plateau
from paramjax.populations._mapped_loop import Carry, finite_params, frozen, keeps
from paramjax.populations._outcome import blanked
from paramjax.populations._population import MakeTrainer
from paramjax.populations._problem import (
    Problem,
    begun,
    evaluation,
    is_stateful,
    rows_a_step,
    with_structure,
)
from paramjax.populations._starts import Starts, prepare_starts
from paramjax.runs._chunks import REFUSING
from paramjax.runs._evaluate import evaluate_in_batches
from paramjax.runs._interrupt import ending
from paramjax.runs._progress import Progress
from paramjax.step._state import Trainer, TrainState, WholeDataTrainer, scan_steps
from paramjax.tuning._cross_validation import CrossValidation, status_of_folds
from paramjax.tuning._folds import (
    FoldGroup,
    check_held_out,
    check_rows_a_step,
    fold_groups,
    fold_of_each_row,
    held_out_steer,
)


def cross_validate(
    make_trainer: MakeTrainer | Trainer,
    problem: Problem,
    *,
    steps: int,
    key: Key,
    hyperparameters: Hyperparameters = MappingProxyType({}),
    folds: int | Array | np.ndarray = 5,
    stratify: Any = None,
    eval_batch_size: int | None = None,
    progress: bool | None = None,
) -> CrossValidation:
    """Train k times, each time without the rows of one fold, and evaluate on those rows.

    Stone (1974, Cross-validatory choice and assessment of statistical predictions). Each fold
    has its own initial parameters and order of batches, drawn from its number; if `init` ignores
    its key, all folds start alike. Folds of different sizes are exact, each trained and evaluated
    on all of its rows; the program then holds the evaluation, and without a batch size the step,
    once for each size. Without a batch size the training rows take k - 1 times the memory of the
    data.

    Args:
        make_trainer: `(hyperparameters) -> Trainer`, see `sweep`; or a trainer.
        problem: What is learned, from which data, and what is measured; `evaluate` gets the
            held-out rows of a fold, so `eval_data` must be None.
        steps: Training steps of each fold, positive.
        key: A typed key; it names the folds, the initial parameters and the orders of batches.
        hyperparameters: The argument of `make_trainer`, such as `result.best().hyperparameters`
            of a sweep.
        folds: Number of folds, at least 2; or the fold of each row, int[rows], from 0 without a
            gap.
        stratify: Class labels [rows] that are spread evenly over the folds, see `pj.data.folds`.
        eval_batch_size: Rows of a fold that are evaluated at once, positive; None takes all.
        progress: Whether to show a progress bar; None shows one on a terminal.

    Returns:
        Metrics, parameters, model states and histories of the folds.

    Raises:
        TypeError: If the key is a legacy one, the data are not numeric, `problem.evaluate` is
            None or returns something other than metrics, or `make_trainer` makes no trainer.
        ValueError: If the data are empty, not finite or of uneven length; a count is out of
            range; a batch is larger than the training rows of a fold, or given to a trainer that
            draws its own rows; the problem's metric is not reported; folds are numbered with
            a gap; or `problem.eval_data` is not None.

    Example:
        >>> import optax
        >>> from paramjax import Problem, train_step
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> result = cross_validate(
        ...     train_step(loss_fn, optax.sgd(0.5)),
        ...     Problem(
        ...         init=lambda key: jnp.zeros(()), data=jnp.array([1.0, 2.0, 4.0]),
        ...         evaluate=lambda params, batch: loss_fn(params, batch, None),
        ...     ),
        ...     steps=1, key=jax.random.key(0), folds=3,
        ... )
        >>> sorted(result.params.tolist()), round(result.mean["loss"], 3)
        ([1.5, 2.5, 3.0], 3.5)
    """
    check_key(key)
    measured = _check_problem(problem)
    rows = problem.check()
    check_count("steps", steps)
    if eval_batch_size is not None:
        check_count("eval_batch_size", eval_batch_size)
    trainer = trainer_of(make_trainer, hyperparameters)
    stateful = is_stateful(problem, trainer)
    evaluation(problem, hyperparameters, stateful=stateful)  # which checks its arguments
    batch_size = rows_a_step(problem, hyperparameters)
    init, evaluate = (
        with_structure(function, hyperparameters, inputs)
        for function, inputs in ((problem.init, 1), (measured, 2 + stateful))
    )
    fold_key, start_key, order_key = split_key(key, 3)
    fold = fold_of_each_row(folds, rows, fold_key, stratify)
    groups = fold_groups(fold)
    _check_batch(trainer, batch_size, min(group.train.shape[1] for group in groups))
    fold_numbers = np.concatenate([group.fold for group in groups])
    in_order = np.argsort(fold_numbers)
    starts = prepare_starts(init, start_key, fold_numbers.tolist())
    data = jax.tree.map(on_device, problem.data)
    model_states = _model_states(problem, hyperparameters, trainer, starts)

    def begun_folds() -> Carry:
        return _begin(trainer, starts, model_states)

    def measured_folds(carry: Carry) -> tuple[Params, ModelState, Metrics]:
        return _evaluate(
            trainer, evaluate, carry.state, data, groups,
            eval_batch_size=eval_batch_size, stateful=stateful,
        )  # fmt: skip

    if has_plateau(jax.eval_shape(begun_folds).state):
        raise held_out_steer()
    _check_metric(problem, jax.eval_shape(lambda: measured_folds(begun_folds())[2]))
    order = None if batch_size is None else _order(words(order_key), groups, batch_size, steps)
    showing = Progress(steps * len(fold_numbers), progress)
    with ending("cross_validate", "nothing was saved"), showing as shown:
        train = functools.partial(_train, trainer, begun_folds, data, order, groups, steps, shown)
        carry, history = train()
        if not np.asarray(_finite_folds(trainer, carry.state)).all():
            # a finite loss and gradient led to such parameters: look at them after each step
            carry, history = train(careful=True)
    params, model_state, evaluated = measured_folds(carry)
    lost = np.where(np.asarray(carry.alive), steps, np.asarray(carry.steps))
    # of the step that lost a fold its metrics are known
    history, metrics = blanked(history, lost + 1), _known(jax.device_get(evaluated), lost == steps)
    ended = params, model_state, metrics, history, lost
    params, model_state, metrics, history, lost = by_numpy(lambda leaf: leaf[in_order], ended)
    status, diverged = status_of_folds(params, metrics, history["loss"], lost)
    params, model_state = jax.tree.map(on_device, (params, model_state))
    return CrossValidation(params, metrics, history, fold, status, diverged, model_state)


def _known(metrics: dict[str, np.ndarray], kept: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics of folds, NaN of those that were lost: the parameters are not those of the end."""
    return metrics if kept.all() else {n: np.where(kept, v, np.nan) for n, v in metrics.items()}


def _train(
    trainer: Trainer, begin: Callable[[], Carry], data: PyTree, order: Array | None,
    groups: list[FoldGroup], steps: int, shown: Progress, *, careful: bool = False,
) -> tuple[Carry, dict[str, np.ndarray]]:  # fmt: skip
    """All steps of all folds, and their metrics [folds, steps]; lost folds stay as they were."""
    carry = begin()
    segment, histories = _segment(steps), []
    for first in range(0, steps, segment):
        carry, history = _advance(
            trainer, carry, data, order, groups, np.int32(first), steps=segment, careful=careful
        )
        histories.append(jax.device_get(history))
        loss = float(np.mean(histories[-1]["loss"][:, -1]))
        shown.update((first + segment) * len(carry.alive), {"mean loss": loss})
    return carry, jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *histories)


@owned_jit()
def _finite_folds(trainer: Trainer, states: TrainState) -> Array:
    """Whether the parameters of each fold are finite, also those to evaluate, bool[folds]."""
    whole: Array = jax.vmap(lambda own: finite_params((own.params, trainer.eval_params(own))))(
        states
    )
    return whole


def _model_states(
    problem: Problem, hyperparameters: Hyperparameters, trainer: Trainer, starts: Starts
) -> ModelState:
    """The model state with which each fold begins, leaves [folds, ...]."""
    given = () if callable(problem.model_state) else problem.model_state
    own = begun(problem, hyperparameters, trainer)
    return jax.jit(jax.vmap(lambda params: own(params, given)))(starts.params)


_SEGMENTS = 20
"""Most segments of the steps; between two, progress is shown and Ctrl-C is heeded."""


def _segment(steps: int) -> int:
    """Steps of a segment: the smallest divisor of all steps with at most `_SEGMENTS` segments."""
    least = -(-steps // _SEGMENTS)
    return next(size for size in range(least, steps + 1) if steps % size == 0)


@owned_jit()
def _begin(trainer: Trainer, starts: Starts, model_states: ModelState) -> Carry:
    """The beginning of each fold."""
    states = jax.vmap(trainer.init)(starts.key, starts.params, model_states)
    count = len(starts.key)
    return Carry(states, jnp.ones(count, bool), jnp.zeros(count, jnp.int32))


@owned_jit(donate_argnames="carry")
def _advance(
    trainer: Trainer, carry: Carry, data: PyTree, order: Array | None,
    groups: list[FoldGroup], first: Array, *, steps: int, careful: bool,
) -> tuple[Carry, Metrics]:  # fmt: skip
    """A segment of the steps of each fold."""
    freezing: Any = Trainer(trainer.init, _freezing(trainer, careful=careful), trainer.eval_params)
    trained: tuple[Carry, Metrics]
    if order is None:
        whole = lambda own, rows: scan_steps(freezing, own, _rows(data, rows), None, steps)  # noqa: E731
        trained = _by_group(whole, carry, [group.train for group in groups])
    else:
        batched: Any = jax.vmap(lambda own, rows: scan_steps(freezing, own, data, rows, steps))
        trained = batched(carry, jax.lax.dynamic_slice_in_dim(order, first, steps, axis=1))
    return trained


def _freezing(trainer: Trainer, *, careful: bool) -> Any:
    """A step of one fold, which stays as it was from the step on that loses it."""

    def step(carry: Carry, batch: Any) -> tuple[Carry, Metrics]:
        new, metrics = trainer.step(carry.state, batch)
        names = () if trainer.guards_nonfinite else REFUSING
        finite = tuple(name for name in names if name in metrics)
        alive = carry.alive & keeps(finite, careful, new.params, metrics)
        return frozen(alive, carry, new), metrics

    return step


@owned_jit(static=2)
def _evaluate(
    trainer: Trainer, evaluate: Callable[..., Any], states: TrainState, data: PyTree,
    groups: list[FoldGroup], *, eval_batch_size: int | None, stateful: bool,
) -> tuple[Params, ModelState, Metrics]:  # fmt: skip
    """The parameters to evaluate of each fold, their model state, and the held-out metrics."""

    def measure(state: TrainState, rows: Array) -> Metrics:
        metrics: Metrics = evaluate_in_batches(
            trainer, evaluate, eval_batch_size, stateful, state, _rows(data, rows)
        )
        return metrics

    metrics: Metrics = _by_group(measure, states, [group.held_out for group in groups])
    return (
        jax.vmap(trainer.eval_params)(states),
        jax.vmap(trainer.eval_model_state)(states),
        metrics,
    )


def _by_group(function: Callable[..., Any], lanes: PyTree, rows: list[Any]) -> Any:
    """Map over the folds, group by group, because each group has its own number of rows."""
    ends = np.cumsum([len(own) for own in rows]).tolist()
    parts = [
        jax.vmap(function)(_rows(lanes, slice(end - len(own), end)), own)
        for own, end in zip(rows, ends, strict=True)
    ]
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


def _order(key: Words, groups: list[FoldGroup], batch_size: int, steps: int) -> Array:
    """The rows that each step of each fold reads, int32[folds, steps, batch]."""

    def order(fold: int, rows: np.ndarray) -> np.ndarray:
        epochs = -(-steps // steps_per_epoch(len(rows), batch_size))
        own = fold_in(key, fold)
        taken: np.ndarray = rows[host_batches(own, 0, epochs, len(rows), batch_size)[:steps]]
        return taken

    folds = [order(*own) for group in groups for own in zip(group.fold, group.train, strict=True)]
    on_devices: Array = jax.device_put(np.stack(folds))
    return on_devices


def _rows(data: PyTree, rows: Array | np.ndarray | slice) -> PyTree:
    return jax.tree.map(lambda leaf: leaf[rows], data)


def _check_problem(problem: Any) -> Callable[..., Any]:
    """The function that measures a fold; raise unless the problem can be cross-validated."""
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: expected a pj.Problem, got {describe(problem)}")
    return check_held_out(problem)


def _check_metric(problem: Problem, measured: Mapping[str, Any]) -> None:
    """Raise for a metric that `evaluate` does not report; "loss" is the default and passes."""
    if problem.metric not in measured and problem.metric != "loss":
        raise ValueError(f"problem: metric: {nearest(problem.metric, measured, what='metric')}")


def trainer_of(make_trainer: MakeTrainer | Trainer, hyperparameters: Hyperparameters) -> Trainer:
    """The trainer that was given, or that a function makes of its hyperparameters."""
    trainer = make_trainer if isinstance(make_trainer, Trainer) else None
    if trainer is None and callable(make_trainer):
        trainer = make_trainer(hyperparameters)
    elif hyperparameters:
        raise ValueError(
            "hyperparameters: a trainer has them already; pass a function (hyperparameters) -> "
            "trainer"
        )
    if not isinstance(trainer, Trainer):
        raise TypeError(
            "make_trainer: expected a trainer such as pj.train_step(...) returns, or a function "
            f"that returns one, got {describe(make_trainer if trainer is None else trainer)}"
        )
    return trainer


def _check_batch(trainer: Trainer, batch_size: int | None, rows: int) -> None:
    if batch_size is None:
        return
    check_count("batch_size", batch_size)
    if isinstance(trainer, WholeDataTrainer):
        raise ValueError(
            "batch_size: this trainer draws its own rows at a rate of the whole data; leave "
            f"batch_size out, got {batch_size}"
        )
    check_rows_a_step(batch_size, rows)
