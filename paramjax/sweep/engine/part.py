"""What came of a chunk of runs, on the host."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from paramjax.sweep.engine.points import stretches
from paramjax.sweep.runs import DIVERGED, Record, Run, judge, tail_mean
from paramjax.types import Params, PyTree


class Part(NamedTuple):
    """A chunk of runs after some steps, arrays of numpy with a leading axis of runs.

    Attributes:
        runs: Which.
        points: After how many steps they were evaluated.
        history: Metric name -> [runs, steps].
        curve: Metric name -> [runs, evaluations].
        alive: Whether each can go on, bool[runs].
        steps: Steps that each has done, int32[runs].
        computed: Steps computed for each, those after it was lost among them.
        params: Parameters to evaluate.
        carried: What the next steps go on from, None at the end.
    """

    runs: Sequence[Run]
    points: tuple[int, ...]
    history: dict[str, np.ndarray]
    curve: dict[str, np.ndarray]
    alive: np.ndarray
    steps: np.ndarray
    computed: np.ndarray
    params: Params
    carried: PyTree = None


def records(part: Part) -> list[Record]:
    """One record a run.

    Args:
        part: Runs after their last step.

    Returns:
        Their records, in their order.

    Example:
        >>> one = np.ones((1, 4), np.float32)
        >>> part = Part(
        ...     [Run(0, 0, {})], (2, 4), {"loss": one}, {}, np.array([True]), np.array([4]),
        ...     np.array([4]), None,
        ... )
        >>> records(part)[0].status, records(part)[0].curve["train_loss"]
        ('finished', [1.0, 1.0])
    """
    return [record_of(part, place) for place in range(len(part.runs))]


def record_of(part: Part, place: int) -> Record:
    """The record of one run; without an evaluation its last values are means of the last tenth.

    Args:
        part: Runs after their last step.
        place: Its place among them.

    Returns:
        The record.
    """
    run, points = part.runs[place], part.points
    history = {name: values[place] for name, values in part.history.items()}
    curve = {name: _along(values[place]) for name, values in part.curve.items()}
    status, lost = judge(history["loss"])
    if lost is not None:
        reached = np.array(points) <= lost
        curve = {name: np.where(reached, values, np.nan) for name, values in curve.items()}
    last = {name: float(values[-1]) for name, values in curve.items() if values.ndim == 1}
    if not part.curve:
        last = {name: tail_mean(values) for name, values in history.items() if values.ndim == 1}
    if not all(map(math.isfinite, last.values())):
        status = DIVERGED
    train_loss = [float(history["loss"][a:b].mean()) for a, b in stretches(points)]
    curves = {"step": [float(point) for point in points], "train_loss": train_loss}
    curves |= {name: values.tolist() for name, values in curve.items() if values.ndim == 1}
    return Record(
        run.trial, run.seed, run.hyperparameters, status, lost, last, curves, int(part.steps[place])
    )


def cut(part: Part, count: int) -> Part:
    """The first runs of a part.

    Args:
        part: Runs, the last ones of which may only fill a call.
        count: How many are to be kept.

    Returns:
        They.
    """
    arrays = jax.tree.map(lambda leaf: leaf[:count], part._replace(runs=(), points=()))
    arrays.computed[-1] += part.computed[count:].sum()
    return arrays._replace(runs=tuple(part.runs[:count]), points=part.points)


def _along(values: np.ndarray) -> np.ndarray:
    """A curve that can hold NaN."""
    return values.astype(float)
