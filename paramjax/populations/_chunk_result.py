"""What came of a chunk of runs, on the host."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from paramjax._status import Status
from paramjax._types import Params, PyTree
from paramjax.populations._segments import segments
from paramjax.populations._trial_run import Record, TrialRun, judge, tail_mean


class ChunkResult(NamedTuple):
    """A chunk of runs after some steps, arrays of numpy with a leading axis of runs.

    Attributes:
        runs: Which.
        evaluation_steps: After how many steps they were evaluated.
        history: Metric name -> [runs, steps].
        curve: Metric name -> [runs, evaluations].
        alive: Whether each can go on, bool[runs].
        steps: Steps that each has done, int32[runs].
        computed: Steps computed for each, those after it was lost and those that were trained
            again among them.
        params: Parameters to evaluate.
        resume_state: What the next steps go on from, None at the end.
    """

    runs: Sequence[TrialRun]
    evaluation_steps: tuple[int, ...]
    history: dict[str, np.ndarray]
    curve: dict[str, np.ndarray]
    alive: np.ndarray
    steps: np.ndarray
    computed: np.ndarray
    params: Params
    resume_state: PyTree = None


def records(chunk: ChunkResult) -> list[Record]:
    """One record a run; without an evaluation its last values are means of the last tenth.

    Args:
        chunk: Runs after some steps.

    Returns:
        Their records, in their order.

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
    judged = judge(stepped["loss"])
    lost = np.array([np.inf if step is None else step for _, step in judged])
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
            status if all(map(math.isfinite, metrics.values())) else Status.DIVERGED,
            step, metrics, {"step": list(steps), **along}, done,
        )
        for run, (status, step), metrics, along, done in zip(
            chunk.runs, judged, _by_run(last), _by_run(curve), chunk.steps.tolist(), strict=True
        )
    ]  # fmt: skip


def _by_run(values: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Name -> number or list of each run."""
    columns = [own.tolist() for own in values.values()]
    return [dict(zip(values, row, strict=True)) for row in zip(*columns, strict=True)]


def cut(chunk: ChunkResult, count: int) -> ChunkResult:
    """The first runs of a chunk."""
    arrays = jax.tree.map(lambda leaf: leaf[:count], chunk._replace(runs=(), evaluation_steps=()))
    arrays.computed[-1] += chunk.computed[count:].sum()
    return arrays._replace(runs=tuple(chunk.runs[:count]), evaluation_steps=chunk.evaluation_steps)
