"""A metric against one hyperparameter: the learning-rate curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paramjax._format import number
from paramjax._status import Status
from paramjax.plots._axis import SPREAD, Axis, axes_of, select, spread
from paramjax.plots._records import (
    Distribution,
    Scores,
    TrainingRecord,
    ending,
    score_trials,
    value_of,
)
from paramjax.plots._scale import draw_scale
from paramjax.plots._style import BEST, COLOURS, MANY, opacity, tidy, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WINDOWS = 8
_LEAST_WINDOW = 5
_LINE = "#003F63"


def learning_rate_curve(
    records: Sequence[TrainingRecord],
    space: Mapping[str, Distribution],
    ax: Axes,
    metric: str = "loss",
    *,
    maximise: bool = False,
    name: str | None = None,
) -> Axes:
    """Draw a metric against a hyperparameter: a dot for each seed, a line through the trials.

    The line joins the means over the seeds if nothing else varies between the trials, and is
    their running median otherwise; trials stopped early do not count, and a diverged one counts
    as worse than all others. Values beyond the axis, of trainings that diverged or were stopped
    early, are marked in a lane at its bad end. Dots of one category stand side by side in the
    order of the trials.

    Args:
        records: The trainings, such as `result.records`.
        space: Hyperparameter name -> distribution, such as `result.space`.
        ax: The axes to draw on.
        metric: A name among the records' metrics.
        maximise: Whether larger is better.
        name: The hyperparameter; None takes the learning rate, else the first number on a
            logarithmic scale, else the first number, else the first choice.

    Returns:
        The axes.

    Raises:
        ValueError: If the metric or the hyperparameter is unknown; the message names the nearest
            known ones.

    Example:
        >>> import paramjax as pj
        >>> from matplotlib.figure import Figure
        >>> from paramjax.populations import Record
        >>> records = [
        ...     Record(trial, 0, {"learning_rate": rate}, "finished", None, {"loss": rate}, {}, 9)
        ...     for trial, rate in enumerate([0.1, 0.01])
        ... ]
        >>> space = {"learning_rate": pj.log_uniform(1e-3, 1.0)}
        >>> ax = learning_rate_curve(records, space, Figure().add_subplot())
        >>> ax.get_xlabel(), ax.get_xscale(), ax.get_ylabel()
        ('learning rate', 'log', 'loss')
    """
    scores = score_trials(records, metric, maximise=maximise)
    axis = select(axes_of(space, records), name)
    positions = _positions(scores, axis)
    _draw_horizontal(ax, axis, scores)
    lane = _draw_dots(ax, scores, positions)
    _draw_line(ax, scores, axis, positions, only=len(space) == 1)
    _draw_best(ax, scores, axis, positions)
    draw_scale(ax, scores.scale, lane=lane)
    if scores.scale.empty:
        ax.text(0.5, 0.5, f"no finite {words(metric)}", ha="center", transform=ax.transAxes)
    ax.set_ylabel(words(metric))
    tidy(ax, f"{words(metric)} against {words(axis.name if axis else 'trial')}")
    return ax


def _positions(scores: Scores, axis: Axis | None) -> dict[int, float]:
    """Horizontal position of each trial that has the hyperparameter."""
    if axis is None:
        return {trial.trial: float(trial.trial) for trial in scores.trials}
    return spread(axis, {
        trial.trial: trial.hyperparameters[axis.name]
        for trial in scores.trials if axis.name in trial.hyperparameters
    })  # fmt: skip


def _draw_horizontal(ax: Axes, axis: Axis | None, scores: Scores) -> None:
    if axis is None:
        ax.set_xlabel("trial")
        return
    having = sum(axis.name in trial.hyperparameters for trial in scores.trials)
    some = "" if having == len(scores.trials) else f" (in {having} of {len(scores.trials)} trials)"
    ax.set_xlabel(words(axis.name) + some)
    if axis.options is not None:
        ax.set_xlim(axis.low, axis.high)
        texts = [words(text) for text in axis.texts]
        steep = sum(map(len, texts)) > 40
        ax.set_xticks(range(len(texts)), texts, rotation=30 if steep else 0,
                      ha="right" if steep else "center")  # fmt: skip
        return
    ax.set_xscale("log" if axis.log else "linear")
    ends = np.log([axis.low, axis.high]) if axis.log else np.array([axis.low, axis.high])
    ends += np.array([-0.03, 0.03]) * (ends[1] - ends[0])
    ax.set_xlim(*(np.exp(ends) if axis.log else ends))


def _draw_dots(ax: Axes, scores: Scores, positions: Mapping[int, float]) -> bool:
    """A mark for each training; returns whether one lies beyond the axis, in the lane."""
    shown = [record for record in scores.records if record.trial in positions]
    best = None if scores.best is None else scores.best.trial
    alpha, many = opacity(len(shown)), len(shown) > MANY
    common = {"s": 9 if many else 26, "zorder": 2, "rasterized": many, "linewidths": 0.8}
    kinds: tuple[tuple[Status, str, dict[str, Any]], ...] = (
        (Status.FINISHED, "one seed", {"color": COLOURS[Status.FINISHED], "linewidths": 0}),
        (Status.WORSENED, "loss rose", {"color": COLOURS[Status.WORSENED], "linewidths": 0}),
        (
            Status.STOPPED,
            "stopped early",
            {"edgecolors": COLOURS[Status.STOPPED], "facecolors": "none"},
        ),
        (Status.DIVERGED, "diverged", {"color": COLOURS[Status.DIVERGED], "marker": "x"}),
    )
    lane = False
    for status, text, style in kinds:
        own = [r for r in shown if ending(r, scores.metric) == status and r.trial != best]
        x = np.array([positions[record.trial] for record in own])
        y = np.array([value_of(record, scores.metric) for record in own])
        held = scores.scale.holds(y)
        if held.any():
            ax.scatter(x[held], y[held], alpha=alpha, label=text, **common | style)
        if not held.all():
            lane = True
            ax.scatter(
                x[~held], np.full(np.sum(~held), scores.scale.lane), alpha=max(alpha, 0.3),
                label="" if held.any() else text, transform=ax.get_xaxis_transform(),
                **common | style,
            )  # fmt: skip
    return lane


def _draw_line(
    ax: Axes, scores: Scores, axis: Axis | None, positions: Mapping[int, float], *, only: bool
) -> None:
    """The means of the trials if this hyperparameter is the only one, or running medians."""
    ended = [t for t in scores.trials if t.status != Status.STOPPED and t.trial in positions]
    bad = -math.inf if scores.scale.maximise else math.inf
    values = np.array([t.value if math.isfinite(t.value) else bad for t in ended])
    if axis is not None and axis.options is not None:
        indices = np.array([axis.position(t.hyperparameters[axis.name]) for t in ended])
        x, y = medians(indices, values, window=0)
        if axis.ordered:
            ax.plot(x, _held(scores, y), color=_LINE, linewidth=1.2, zorder=2.9)
        if scores.scale.holds(y).any():
            ends = (_held(scores, y), x - SPREAD / 2, x + SPREAD / 2)
            ax.hlines(*ends, color=_LINE, linewidth=2.4, zorder=3, label="median of the trials")
        return
    xs = np.array([positions[trial.trial] for trial in ended])
    repeated = len(set(xs.tolist())) <= len(xs) / 3
    window = 0 if only or repeated else max(_LEAST_WINDOW, len(xs) // _WINDOWS) | 1
    if len(xs) < max(2, window):
        return
    x, y = medians(xs, values, window=window)
    means = only and len(x) == len(xs)
    text = "mean of the seeds" if means else "running median" if window else "median of the trials"
    if means and len(scores.records) == len(scores.trials):
        text = "from trial to trial"
    if scores.scale.holds(y).any():
        ax.plot(x, _held(scores, y), color=_LINE, linewidth=1.6, zorder=3, label=text)


def medians(xs: np.ndarray, values: np.ndarray, *, window: int) -> tuple[np.ndarray, np.ndarray]:
    """The sorted positions, and the median at each: of an odd window, or of equal xs if it is 0.

    The window narrows at both ends, where as many neighbours are taken on either side.

    Example:
        >>> x, y = medians(np.array([2.0, 1.0, 1.0]), np.array([5.0, 1.0, 3.0]), window=0)
        >>> x.tolist(), y.tolist()
        ([1.0, 2.0], [2.0, 5.0])
    """
    if not window:
        x = np.unique(xs)
        return x, np.array([_median(values[xs == at]) for at in x])
    order = np.argsort(xs, kind="stable")
    x, y, half = xs[order], values[order], window // 2
    reach = [min(half, i, len(x) - 1 - i) for i in range(len(x))]
    return x, np.array([_median(y[i - r : i + r + 1]) for i, r in enumerate(reach)])


def _median(values: np.ndarray) -> float:
    """The median; the mean of the middle two may be infinite, where numpy's would be NaN."""
    ordered = np.sort(values)
    low, high = ordered[(len(values) - 1) // 2], ordered[len(values) // 2]
    return float(low if low == high else (low + high) / 2)


def _held(scores: Scores, values: np.ndarray) -> np.ndarray:
    """The values, NaN beyond the axis, where it breaks a line."""
    return np.where(scores.scale.holds(values), values, np.nan)


def _draw_best(ax: Axes, scores: Scores, axis: Axis | None, positions: Mapping[int, float]) -> None:
    """The seeds of the best trial, and a star at their mean."""
    best = scores.best
    if best is None or best.trial not in positions:
        return
    x = positions[best.trial]
    ax.scatter([x] * len(best.values), best.values, s=26, color=BEST, zorder=4, linewidths=0)
    at = ""
    if axis is not None and axis.options is None:
        at = f" at {number(best.hyperparameters[axis.name])}"
    ax.scatter(
        [x], [best.value], s=150, marker="*", color=BEST, edgecolors="white",
        linewidths=0.9, zorder=5, label=f"best: {number(best.value)}{at}",
    )  # fmt: skip
