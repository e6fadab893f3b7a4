"""A metric along all trainings of a population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from paramjax._status import Status
from paramjax.plots._records import TrainingRecord, ending, score_trials
from paramjax.plots._scale import STOPPED_SHARE, Scale, draw_scale, no_worse, scale_of, usual
from paramjax.plots._style import BEST, COLOURS, MANY, opacity, tidy, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_USUAL = 0.98
"""Share of the values that the axis must hold: a spike may leave it."""

_POINTS = 200
"""Points of a curve at most; each is a mean over consecutive steps."""


def learning_curves(
    records: Sequence[TrainingRecord],
    ax: Axes,
    metric: str = "loss",
    *,
    history: Mapping[str, np.ndarray] | None = None,
    maximise: bool = False,
) -> Axes:
    """Draw the curve of each training: the best trial in front, stopped and diverged ones apart.

    The curve shows the metric if most trainings were evaluated at least twice, else the history of
    training: that of the metric if there is one, or of the loss. A training that diverged has
    a cross in a lane at the bad end of the axis, above the step from which it was lost.

    Args:
        records: The trainings, such as `result.records`.
        ax: The axes to draw on.
        metric: A name among the records' metrics.
        history: Training metric -> [trainings, steps] in the order of the records, NaN once a
            training has ended, such as `result.history`; None takes the training loss that the
            records hold.
        maximise: Whether larger is better.

    Returns:
        The axes.

    Raises:
        ValueError: If the metric is unknown; the message names the nearest known ones.

    Example:
        >>> from matplotlib.figure import Figure
        >>> from paramjax.populations import Record
        >>> curve = {"step": [1, 2], "train_loss": [4.0, 1.0]}
        >>> records = [Record(0, 0, {"rate": 0.1}, "finished", None, {"loss": 1.0}, curve, 2)]
        >>> learning_curves(records, Figure().add_subplot()).get_ylabel()
        'loss while training'
    """
    best = score_trials(records, metric, maximise=maximise).best
    curves = _curves(records, metric, history, maximise=maximise)
    endings = np.array([ending(record, metric) for record in records])
    first = np.array([best is not None and record.trial == best.trial for record in records])
    scale = _scale(curves, endings, first)
    alpha = 0.7 * opacity(len(records))
    for status, text, style in (
        (Status.DIVERGED, "diverged", (0, (4, 2))),
        (Status.STOPPED, "stopped early", "solid"),
        (Status.WORSENED, "loss rose", "solid"),
        (Status.FINISHED, "a training", "solid"),
    ):
        own = (endings == status) & ~first
        _draw(ax, curves, own, scale, color=COLOURS[status], alpha=alpha, linestyles=style,
              linewidths=0.9, zorder=2, label=text)  # fmt: skip
        if status == Status.STOPPED:
            _draw_ends(ax, curves, own, scale, alpha)
    _draw(ax, curves, first, scale, color=BEST, alpha=1.0, linestyles="solid",
          linewidths=2.2, zorder=4, label="best trial")  # fmt: skip
    lost = [_lost_at(r) for r, s in zip(records, endings, strict=True) if s == Status.DIVERGED]
    _draw_lost(ax, lost, scale)
    draw_scale(ax, scale, lane=bool(lost))
    ax.set_xlim(0, 1.02 * max(max(record.steps, _lost_at(record)) for record in records))
    ax.set(xlabel="step", ylabel=curves.label)
    if scale.empty:
        ax.text(0.5, 0.5, f"no finite {curves.label}", ha="center", transform=ax.transAxes)
    tidy(ax, "learning curves")
    return ax


class _Curves(NamedTuple):
    """A value along the steps of all trainings.

    Attributes:
        label: Of the axis.
        steps: float[points].
        values: float[trainings, points]; NaN once a training has ended.
        maximise: Whether larger is better.
    """

    label: str
    steps: np.ndarray
    values: np.ndarray
    maximise: bool


def _scale(curves: _Curves, endings: np.ndarray, first: np.ndarray) -> Scale:
    """The axis for the best, for the others without their spikes, and for most stopped ones."""
    shares = {Status.FINISHED: _USUAL, Status.STOPPED: STOPPED_SHARE}
    shown = [
        usual(curves.values[endings == status], share, maximise=curves.maximise)
        for status, share in shares.items()
    ]
    rose = curves.values[endings == Status.WORSENED]
    shown.append(no_worse(rose, shown[0], maximise=curves.maximise))
    shown.append(curves.values[first].ravel())
    return scale_of(np.concatenate(shown), curves.values, maximise=curves.maximise)


def _curves(
    records: Sequence[TrainingRecord],
    metric: str,
    history: Mapping[str, np.ndarray] | None,
    *,
    maximise: bool,
) -> _Curves:
    """The metric as evaluated along the way, or else as trained."""
    counts = [len(record.curve.get(metric, ())) for record in records]
    if min(counts) and np.median(counts) > 1:
        return _recorded(records, metric, words(metric), maximise=maximise)
    if history is None:
        return _recorded(records, "train_loss", "loss while training", maximise=False)
    name = metric if metric in history and history[metric].ndim == 2 else "loss"
    steps, values = thinned(history[name])
    return _Curves(f"{words(name)} while training", steps, values, maximise and name == metric)


def _recorded(
    records: Sequence[TrainingRecord], name: str, label: str, *, maximise: bool
) -> _Curves:
    """The curve that the records hold under a name."""
    steps = max((record.curve["step"] for record in records), key=len)
    values = np.full((len(records), len(steps)), np.nan)
    for row, record in zip(values, records, strict=True):
        row[: len(record.curve[name])] = record.curve[name]
    return _Curves(label, np.array(steps), values, maximise)


def thinned(values: np.ndarray, points: int = _POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Last steps, from 1, and means over consecutive steps of [trainings, steps] without NaN.

    Example:
        >>> steps, means = thinned(np.array([[1.0, 3.0, 5.0, np.nan]]), points=2)
        >>> steps.tolist(), means.tolist()
        ([2, 4], [[2.0, 5.0]])
    """
    each = -(-values.shape[1] // points)
    starts = np.arange(0, values.shape[1], each)
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", over="ignore"):
        sums = np.add.reduceat(np.where(known, values, 0).astype(np.float64), starts, axis=1)
        counts = np.add.reduceat(known.astype(np.float64), starts, axis=1)
        means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return np.minimum(starts + each, values.shape[1]), means


def _draw(ax: Axes, curves: _Curves, which: np.ndarray, scale: Scale, **style: Any) -> None:
    """The finite part of some curves; a curve of one point is a dot."""
    from matplotlib.collections import LineCollection

    shown = np.isfinite(curves.values) & (not scale.log or curves.values > 0)
    lines = [
        np.column_stack([curves.steps[finite], values[finite]])
        for values, finite in zip(curves.values[which], shown[which], strict=True)
        if finite.any()
    ]
    if not lines:
        return
    rasterized = len(lines) > MANY
    ax.add_collection(LineCollection(lines, rasterized=rasterized, **style), autolim=False)
    alone = np.array([line[0] for line in lines if len(line) == 1])
    if alone.size:
        ax.scatter(
            alone[:, 0], alone[:, 1], s=14, color=style["color"], alpha=style["alpha"],
            linewidths=0, zorder=style["zorder"], rasterized=rasterized,
        )  # fmt: skip


def _draw_ends(ax: Axes, curves: _Curves, which: np.ndarray, scale: Scale, alpha: float) -> None:
    """A dot where a training was stopped."""
    ends = []
    for values in curves.values[which]:
        finite = np.flatnonzero(np.isfinite(values))
        if finite.size and scale.holds(values[finite[-1]]):
            ends.append((curves.steps[finite[-1]], values[finite[-1]]))
    if ends:
        x, y = zip(*ends, strict=True)
        ax.scatter(x, y, s=12, color=COLOURS[Status.STOPPED], alpha=max(alpha, 0.4),
                   linewidths=0, zorder=2.1, rasterized=len(ends) > MANY)  # fmt: skip


def _draw_lost(ax: Axes, steps: Sequence[int], scale: Scale) -> None:
    """A cross in the lane above each step from which a training was lost."""
    if not steps:
        return
    labelled = "diverged" in ax.get_legend_handles_labels()[1]
    ax.scatter(
        steps, [scale.lane] * len(steps), s=22 if len(steps) < MANY else 9, marker="x",
        color=COLOURS[Status.DIVERGED], linewidths=0.8, alpha=max(0.3, opacity(len(steps))),
        zorder=3, transform=ax.get_xaxis_transform(), rasterized=len(steps) > MANY,
        label="" if labelled else "diverged",
    )  # fmt: skip


def _lost_at(record: TrainingRecord) -> int:
    """The step, from 1, from which a training was lost, or its last one."""
    return record.steps if record.diverged_step is None else record.diverged_step + 1
