"""Learning curves: a metric along the report trainings, mean and range over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from paramjax._status import Status
from paramjax.bench._rows import Training
from paramjax.bench.report._formatting import count, number
from paramjax.bench.report._style import Figure, Style, axis, figure, hover, log_ticks, plot_text

_HEIGHT = 380
_LOST_AXIS = {
    "overlaying": "y",
    "range": [0, 1],
    "visible": False,
    "fixedrange": True,
}


def curves(
    id: str,
    name: str,
    trainings: dict[str, list[Training]],
    styles: dict[str, Style],
    *,
    title: str,
    higher_is_better: bool,
    thick: str | None = None,
) -> Figure | None:
    """The curves of one metric for every optimizer on one workload.

    The mean stops where the first seed is lost, because a mean over the survivors would
    flatter; lost seeds are marked at the bad end of the axis.

    Args:
        id: Of the figure's element.
        name: Key of the curve, such as `accuracy` or `train_loss`.
        trainings: Optimizer -> its report trainings.
        styles: One for each optimizer.
        title: Plain text, also the axis title.
        higher_is_better: Direction of the metric.
        thick: The optimizer that is drawn with a thicker line: the baseline.

    Returns:
        The figure, or None if no training has such a curve.
    """
    drawn = {key: rows for key, rows in trainings.items() if rows and name in rows[0].curve}
    if not drawn:
        return None
    traces = [
        trace
        for optimizer, rows in drawn.items()
        for trace in _traces(optimizer, rows, name, styles[optimizer], optimizer == thick)
    ]
    lost = [_lost(key, rows, styles[key], higher_is_better) for key, rows in drawn.items()]
    layout = {
        "xaxis": axis(title="step", rangemode="tozero"),
        "yaxis": axis(plot_text(title), **({} if higher_is_better else _loss_axis(drawn, name))),
        "yaxis2": _LOST_AXIS,
    }
    seeds = max(len(rows) for rows in drawn.values())
    label = (
        f"{title} along the training for {count(len(drawn), 'optimizer')}, mean and range "
        f"over {count(seeds, 'report seed')}; the last values stand in the verdict table."
    )
    return figure(id, title, label, [*traces, *filter(None, lost)], height=_HEIGHT, layout=layout)


def _traces(
    optimizer: str, trainings: Sequence[Training], name: str, look: Style, thick: bool
) -> list[go.Scatter]:
    """The band from the lowest to the highest seed, and the mean."""
    steps = trainings[0].curve["step"]
    values = np.array([training.curve[name] for training in trainings], np.float64)
    seen = np.isfinite(values)
    low = np.where(seen, values, np.inf).min(axis=0)
    high = np.where(seen, values, -np.inf).max(axis=0)
    mean = np.where(seen.all(axis=0), np.where(seen, values, 0).mean(axis=0), np.nan)
    any_seen: list[bool] = np.any(seen, axis=0).tolist()
    around = [(s, lo, hi) for s, lo, hi, ok in zip(steps, low, high, any_seen, strict=True) if ok]
    outline = [(s, hi) for s, _, hi in around] + [(s, lo) for s, lo, _ in reversed(around)]
    band = go.Scatter(
        x=[float(step) for step, _ in outline],
        y=[float(value) for _, value in outline],
        fill="toself",
        fillcolor=look.band,
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        legendgroup=look.group,
    )
    line = go.Scatter(
        x=[float(step) for step in steps],
        y=mean.tolist(),
        mode="lines",
        line={"color": look.colour, "dash": look.dash, "width": 3.5 if thick else 2},
        hoverinfo="text",
        hovertext=[
            hover(f"<b>{plot_text(optimizer)}</b>", f"step {step:.0f}: {number(value, 5)}")
            for step, value in zip(steps, mean.tolist(), strict=True)
        ],
        legendgroup=look.group,
    )
    return [band, line]


def _lost(
    optimizer: str, trainings: Sequence[Training], look: Style, higher_is_better: bool
) -> go.Scatter | None:
    """An x for each training that diverged, at the bad end of the axis, where it happened."""
    bad = [t for t in trainings if t.status == Status.DIVERGED or not math.isfinite(t.value)]
    if not bad:
        return None
    return go.Scatter(
        x=[_where(training) for training in bad],
        y=[0.03 if higher_is_better else 0.97] * len(bad),
        yaxis="y2",
        mode="markers",
        marker={"symbol": "x", "size": 9, "color": look.colour},
        hoverinfo="text",
        hovertext=[_fate(optimizer, training) for training in bad],
        legendgroup=look.group,
    )


def _where(training: Training) -> float:
    if training.diverged_step is not None:
        return float(training.diverged_step)
    return float(training.curve["step"][-1])


def _fate(optimizer: str, training: Training) -> str:
    if training.diverged_step is not None:
        what = f"loss not finite from step {training.diverged_step}"
    elif training.status == Status.DIVERGED:
        what = "diverged: its loss was still climbing at the end"
    else:
        what = "last value not finite"
    return hover(f"<b>{plot_text(optimizer)}</b>, seed {training.seed}", what)


def _loss_axis(trainings: dict[str, list[Training]], name: str) -> dict[str, Any]:
    """Logarithmic if every value allows it."""
    values = [v for rows in trainings.values() for t in rows for v in t.curve[name]]
    finite = [value for value in values if math.isfinite(value)]
    return log_ticks(min(finite), max(finite)) if finite and min(finite) > 0 else {}
