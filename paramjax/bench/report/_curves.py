"""Learning curves: a metric along the report trainings, mean and range over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from paramjax._status import Status
from paramjax.bench._rows import Training
from paramjax.bench.report._formatting import count, fixed
from paramjax.bench.report._style import Figure, Style, axis, hover, log_axis, make_figure
from paramjax.plots._style import plotly_text

_HEIGHT = 380


def curve_plot(
    id: str,
    name: str,
    trainings: dict[str, list[Training]],
    styles: dict[str, Style],
    *,
    title: str,
    maximise: bool,
    baseline: str | None = None,
) -> Figure | None:
    """The curves of one metric, or of `train_loss`, of all optimizers; None without a curve.

    The mean stops where the first seed diverges, because a mean over the other seeds would
    flatter the optimizer; a cross at the bad end of the axis marks each seed that diverged.
    """
    curves = {key: rows for key, rows in trainings.items() if rows and name in rows[0].curve}
    if not curves:
        return None
    traces = []
    for optimizer, rows in curves.items():
        width = 3.5 if optimizer == baseline else 2.0
        traces += _mean_and_range(optimizer, rows, name, styles[optimizer], width)
    height = 0.03 if maximise else 0.97
    for optimizer, rows in curves.items():
        traces += _crosses(optimizer, rows, styles[optimizer], height)
    values = [v for rows in curves.values() for t in rows for v in t.curve[name]]
    finite = [value for value in values if math.isfinite(value)]
    log = not maximise and finite and min(finite) > 0
    layout = {
        "xaxis": axis(title="step", rangemode="tozero"),
        "yaxis": axis(plotly_text(title), **(log_axis(min(finite), max(finite)) if log else {})),
        # heights of the crosses are shares of the panel
        "yaxis2": {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
    }
    seeds = max(len(rows) for rows in curves.values())
    label = (
        f"{title} along the training for {count(len(curves), 'optimizer')}, mean and range "
        f"over {count(seeds, 'report seed')}; the last values stand in the verdict table."
    )
    return make_figure(id, title, label, traces, height=_HEIGHT, layout=layout)


def _mean_and_range(
    optimizer: str, trainings: Sequence[Training], name: str, style: Style, width: float
) -> list[go.Scatter]:
    """A band from the lowest to the highest seed, and the mean of all seeds."""
    steps = [float(step) for step in trainings[0].curve["step"]]
    values = np.array([training.curve[name] for training in trainings], np.float64)
    finite = np.isfinite(values)
    low = np.where(finite, values, np.inf).min(axis=0)
    high = np.where(finite, values, -np.inf).max(axis=0)
    mean = np.where(finite.all(axis=0), np.where(finite, values, 0).mean(axis=0), np.nan).tolist()
    known: list[bool] = np.any(finite, axis=0).tolist()
    band = [(s, lo, hi) for s, lo, hi, there in zip(steps, low, high, known, strict=True) if there]
    common: dict[str, Any] = {"mode": "lines", "legendgroup": style.group}
    area = go.Scatter(
        x=[s for s, _, _ in band] + [s for s, _, _ in reversed(band)],
        y=[float(hi) for _, _, hi in band] + [float(lo) for _, lo, _ in reversed(band)],
        fill="toself",
        fillcolor=style.band,
        line={"width": 0},
        hoverinfo="skip",
        **common,
    )
    line = go.Scatter(
        x=steps,
        y=mean,
        line={"color": style.colour, "dash": style.dash, "width": width},
        hoverinfo="text",
        hovertext=[
            hover(f"<b>{plotly_text(optimizer)}</b>", f"step {step:.0f}: {fixed(value, 5)}")
            for step, value in zip(steps, mean, strict=True)
        ],
        **common,
    )
    return [area, line]


def _crosses(
    optimizer: str, trainings: Sequence[Training], style: Style, height: float
) -> list[go.Scatter]:
    """A trace with a cross for each training that diverged, at the step where it did."""
    bad = [t for t in trainings if t.status == Status.DIVERGED or not math.isfinite(t.value)]
    if not bad:
        return []
    steps = [t.curve["step"][-1] if t.diverged_step is None else t.diverged_step for t in bad]
    crosses = go.Scatter(
        x=[float(step) for step in steps],
        y=[height] * len(bad),
        yaxis="y2",
        mode="markers",
        marker={"symbol": "x", "size": 9, "color": style.colour},
        hoverinfo="text",
        hovertext=[
            hover(f"<b>{plotly_text(optimizer)}</b>, seed {training.seed}", _reason(training))
            for training in bad
        ],
        legendgroup=style.group,
    )
    return [crosses]


def _reason(training: Training) -> str:
    """Why a training counts as diverged."""
    if training.diverged_step is not None:
        return f"loss not finite from step {training.diverged_step}"
    if training.status == Status.DIVERGED:
        return "diverged: its loss was still climbing at the end"
    return "last value not finite"
