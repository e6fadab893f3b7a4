"""Results of trainings on the host: of a chunk of runs, and of each run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._arrays import by_numpy, numbers
from paramjax._checks import is_key
from paramjax._status import Status
from paramjax._types import Key, ModelState, Params, PyTree
from paramjax.populations._trial_run import Record, TrialRun, segments, status_of, tail_mean


class ChunkResult(NamedTuple):
    """A chunk of runs after some steps, as numpy arrays.

    Attributes:
        runs: The runs, in the order of the arrays' leading axis.
        evaluation_steps: The steps after which they were evaluated.
        history: Metric of the steps -> [runs, steps]; NaN, or 0 for whole numbers, after
            `diverged_step`.
        curve: Metric of the evaluations -> [runs, evaluations].
        alive: Whether each run can go on, bool[runs].
        steps: Steps that each run has trained, int32[runs].
        computed: Steps computed for each run: also those after it diverged, and those that were
            computed again, int64[runs].
        params: Parameters to evaluate, leaves [runs, ...].
        model_state: The model state that belongs to them, leaves [runs, ...].
        resume_state: What the next segment of steps starts from; None at the end of the runs.
    """

    runs: Sequence[TrialRun]
    evaluation_steps: tuple[int, ...]
    history: dict[str, np.ndarray]
    curve: dict[str, np.ndarray]
    alive: np.ndarray
    steps: np.ndarray
    computed: np.ndarray
    params: Params
    model_state: ModelState = ()
    resume_state: PyTree = None


def finite_runs(tree: PyTree, count: int) -> np.ndarray:
    """Whether the numbers of each run are finite, bool[runs]; leaves [runs, ...]."""
    finite = np.ones(count, bool)
    for leaf in jax.tree.leaves(tree):
        if not is_key(leaf) and jnp.issubdtype(leaf.dtype, jnp.inexact):
            finite &= np.isfinite(leaf).reshape(count, -1).all(axis=1)
    return finite


def blanked(history: dict[str, np.ndarray], ends: np.ndarray) -> dict[str, np.ndarray]:
    """The history [runs, steps, ...] with nothing from each run's end on."""
    for values in history.values():
        nothing = np.nan if jnp.issubdtype(values.dtype, jnp.inexact) else 0
        for index in np.flatnonzero(ends < values.shape[1]):
            values[index, max(0, ends[index]) :] = nothing
    return history


def records(chunk: ChunkResult) -> list[Record]:
    """The record of each run of a chunk.

    Args:
        chunk: Runs after some steps.

    Returns:
        One record a run, in the order of the chunk.

    Example:
        >>> one = np.ones((1, 4), np.float32)
        >>> chunk = ChunkResult(
        ...     [TrialRun(0, 0, {})], (2, 4), {"loss": one}, {}, np.array([True]), np.array([4]),
        ...     np.array([4]), None,
        ... )
        >>> records(chunk)[0].status, records(chunk)[0].curve["train_loss"]
        ('finished', [1.0, 1.0])
    """
    stepped = {name: v for name, v in chunk.history.items() if v.ndim == 2}
    curve = {name: v.astype(float) for name, v in chunk.curve.items() if v.ndim == 2}
    lost = np.where(chunk.alive, stepped["loss"].shape[1], chunk.steps)
    ended = status_of(stepped["loss"], lost)
    sound = finite_runs(chunk.params, len(chunk.runs))
    beyond = np.array(chunk.evaluation_steps) > lost[:, None]
    curve = {name: np.where(beyond, np.nan, values) for name, values in curve.items()}
    last = {name: values[:, -1] for name, values in curve.items()}
    if not chunk.curve:
        last = {name: tail_mean(values) for name, values in stepped.items()}
    means = [stepped["loss"][:, a:b].mean(axis=1) for a, b in segments(chunk.evaluation_steps)]
    curve = {"train_loss": np.stack(means, axis=1).astype(float), **curve}
    steps = [float(point) for point in chunk.evaluation_steps]
    return [
        Record(
            run.trial, run.seed, run.hyperparameters,
            status if whole and all(map(math.isfinite, metrics.values())) else Status.DIVERGED,
            step, metrics, {"step": list(steps), **along}, done,
        )
        for run, (status, step), whole, metrics, along, done in zip(
            chunk.runs, ended, sound, _by_run(last), _by_run(curve), chunk.steps.tolist(),
            strict=True,
        )
    ]  # fmt: skip


def _by_run(values: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """For each run: name -> its number or list."""
    columns = [own.tolist() for own in values.values()]
    return [dict(zip(values, row, strict=True)) for row in zip(*columns, strict=True)]


def cut(chunk: ChunkResult, count: int) -> ChunkResult:
    """The first runs of a chunk, without those that only filled its call."""
    bare = chunk._replace(runs=(), evaluation_steps=())
    arrays: ChunkResult = by_numpy(lambda leaf: leaf[:count], bare)
    arrays.computed[-1] += chunk.computed[count:].sum()
    return arrays._replace(runs=tuple(chunk.runs[:count]), evaluation_steps=chunk.evaluation_steps)


def replaced(chunk: ChunkResult, other: ChunkResult, which: np.ndarray) -> ChunkResult:
    """The chunk with some of its runs, bool[runs], taken from another one of the same runs."""

    def chosen(own: Any, others: Any) -> Any:
        return np.where(which.reshape(-1, *[1] * (own.ndim - 1)), others, own)

    bare = [own._replace(runs=(), evaluation_steps=()) for own in (chunk, other)]
    arrays: ChunkResult = by_numpy(chosen, *bare)
    return arrays._replace(
        runs=chunk.runs,
        evaluation_steps=chunk.evaluation_steps,
        computed=chunk.computed + other.computed,
    )


class Summary(NamedTuple):
    """One training so far, without its arrays."""

    record: Record
    reached: int  # the step that its chunk has reached; a diverged run trained fewer
    computed: int  # steps: its own, those of lanes that had diverged or fill a call, repeated ones


class Outcome(NamedTuple):
    """One training so far: a `Summary` and its arrays."""

    record: Record
    reached: int
    computed: int
    params: Params  # to evaluate
    model_state: ModelState  # that belongs to them
    history: dict[str, np.ndarray]  # metric of the steps -> [steps]
    curve: dict[str, np.ndarray]  # metric of the evaluations -> [evaluations]
    resume_state: PyTree = None  # where the next segment starts; None after the last step

    @property
    def summary(self) -> Summary:
        """The outcome without its arrays."""
        return Summary(self.record, self.reached, self.computed)


def outcomes(chunk: ChunkResult, reached: int, before: Sequence[Outcome] = ()) -> list[Outcome]:
    """The outcome of each run of a chunk, appended to the outcomes of earlier segments."""
    whole = _joined(before, chunk) if before else chunk
    computed = chunk.computed.tolist()
    if before:
        computed = [own + b.computed for own, b in zip(computed, before, strict=True)]

    tree: Any
    leaves, tree = jax.tree.flatten(
        (whole.params, whole.model_state, whole.history, whole.curve, whole.resume_state)
    )
    # of keys one by one, for to index an array of keys compiles a program
    rows = [_keys(leaf) if is_key(leaf) else leaf for leaf in leaves]
    return [
        Outcome(record, reached, own, *tree.unflatten([leaf[index] for leaf in rows]))
        for index, (record, own) in enumerate(zip(records(whole), computed, strict=True))
    ]


def _keys(leaf: Key) -> list[Key]:
    """The keys of an array of keys."""
    impl = jax.random.key_impl(leaf)
    return [jax.random.wrap_key_data(own, impl=impl) for own in np.asarray(numbers(leaf))]


def _joined(before: Sequence[Outcome], chunk: ChunkResult) -> ChunkResult:
    """Histories and curves from the first step on."""

    def both(name: str) -> dict[str, np.ndarray]:
        earlier = [getattr(outcome, name) for outcome in before]
        return {
            key: np.concatenate([np.stack([own[key] for own in earlier]), values], axis=1)
            for key, values in getattr(chunk, name).items()
        }

    steps = before[0].record.curve["step"]
    return chunk._replace(
        evaluation_steps=(*map(int, steps), *chunk.evaluation_steps),
        history=both("history"),
        curve=both("curve"),
    )
