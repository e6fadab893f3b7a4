"""Learning curves: a metric along the report trainings of all replicates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from paramjax._format import number
from paramjax._status import Status
from paramjax.bench._results import Training
from paramjax.bench.report._formatting import count, listed
from paramjax.bench.report._measures import (
    Band,
    Floats,
    bad_end,
    curve_scale,
    late_gain,
    typical,
)
from paramjax.bench.report._style import (
    Block,
    Figure,
    Style,
    across,
    axis,
    hover,
    line,
    make_figure,
    scaled_axis,
)
from paramjax.bench.report._view import View, curve_of, lost, reported
from paramjax.plots._scale import Scale
from paramjax.plots._style import plotly_text

_HEIGHT = 340


def curve_block(view: View) -> Block | None:
    """The deciding metric on test rows, its paired differences, and the loss on training rows."""
    metric, maximise = view.workload.metric, view.workload.maximise
    figures = [
        _figure(f"{view.id}-curve-0", view, metric, f"test {metric}", maximise=maximise),
        _paired_figure(f"{view.id}-curve-1", view),
        _figure(f"{view.id}-curve-2", view, "train_loss", "training loss", maximise=False),
    ]
    if not any(figures):
        return None
    return Block(
        title="Learning curves",
        hint=(
            "The chosen trial of each replicate, trained with its report seeds: line = median, "
            "thick = the baseline; lost trainings count as worst, \u00d7 marks where one diverged. "
            "The axis is that of the second half of the training, without the worst curves. "
            "Differences are taken within each replicate, so what replicates have in common "
            "cancels: band = middle half of the replicates, dashed = the margin."
        ),
        question="Would more steps change the order?",
        answer=_answer(view),
        figures=[(None, figure) for figure in figures if figure is not None],
        layout="trio",
    )


def _answer(view: View) -> str:
    """Who still wins more than the margin, and who ends beyond the axis."""
    maximise, margin = view.workload.maximise, view.workload.margin
    curves = _curves(view, view.workload.metric, maximise)
    gains = {
        name: late_gain(curve.middle, maximise=maximise) for name, (_, curve) in curves.items()
    }
    still = [f"{name} {number(gain, 2)}" for name, gain in gains.items() if gain > margin]
    texts = [
        f"It may. More than the margin of {number(margin, 3)} was won in the last fifth of the "
        f"training by {listed(still)}."
        if still
        else f"Hardly: no median wins more than the margin ({number(margin, 3)}) in its last fifth."
    ]
    scale = _scale(curves, view, maximise)
    off = [name for name, (_, curve) in curves.items() if not scale.holds(curve.middle[-1])]
    return " ".join([*texts, *([f"Beyond the axis: {listed(off)}."] if off else [])])


def _curves(view: View, name: str, maximise: bool) -> dict[str, tuple[list[float], Band]]:
    """Optimizer -> steps and typical curve, for those with a finite value."""
    found = {}
    for optimizer, result in view.optimizers.items():
        steps, values = curve_of(reported(result), name)
        if np.isfinite(values).any():
            found[optimizer] = (steps, typical(values, maximise=maximise))
    return found


def _scale(curves: dict[str, tuple[list[float], Band]], view: View, maximise: bool) -> Scale:
    """The axis that holds the baseline and most of the others."""
    base = curves[view.baseline][1].middle if view.baseline in curves else np.empty(0)
    middles = [band.middle for _, band in curves.values()]
    return curve_scale(_stacked(middles), base[len(base) // 2 :], maximise=maximise)


def _stacked(curves: Sequence[Floats]) -> Floats:
    """Curves as float[curves, points]; NaN after the end of a shorter one."""
    stacked = np.full((len(curves), max(map(len, curves), default=0)), np.nan)
    for row, curve in zip(stacked, curves, strict=True):
        row[: len(curve)] = curve
    return stacked


def _figure(id: str, view: View, name: str, title: str, *, maximise: bool) -> Figure | None:
    curves = _curves(view, name, maximise)
    if not curves:
        return None
    scale = _scale(curves, view, maximise)
    traces = []
    for optimizer, (steps, band) in curves.items():
        text, bare = "step {x:.0f}: median {y}", Band(band.middle, band.middle, band.middle)
        width = view.width(optimizer)
        traces += line(optimizer, steps, bare, view.styles[optimizer], text, width=width)
    for optimizer, result in view.optimizers.items():
        traces += _crosses(optimizer, reported(result), view.styles[optimizer], scale)
    layout = {
        "xaxis": axis(title="step", rangemode="tozero"),
        "yaxis": scaled_axis("", scale),
    }
    trainings = max(len(reported(view.optimizers[name])) for name in curves)
    label = (
        f"{title} along the training for {count(len(curves), 'optimizer')}, median of "
        f"{count(trainings, 'training')}."
    )
    return make_figure(id, title, label, traces, height=_HEIGHT, layout=layout)


def _paired_figure(id: str, view: View) -> Figure | None:
    """Each optimizer minus the baseline along the training, within each replicate."""
    metric, maximise = view.workload.metric, view.workload.maximise
    found = {}
    for name in view.optimizers:
        steps, values = _differences(view, name)
        if name != view.baseline and np.isfinite(values).any():
            found[name] = (steps, typical(values, maximise=maximise))
    if not found:
        return None
    margin = view.workload.margin
    ends = [part for steps, band in found.values() for part in band]
    scale = curve_scale(_stacked(ends), [-margin, margin], maximise=maximise)
    traces = []
    for name, (steps, band) in found.items():
        text = "step {x:.0f}: median difference {y}"
        traces += line(name, steps, band, view.styles[name], text)
    title = f"difference in test {metric} from {view.baseline}"
    layout = {
        "xaxis": axis(title="step", rangemode="tozero"),
        "yaxis": scaled_axis("", scale),
        "shapes": [across(0.0, "solid"), across(margin, "dash"), across(-margin, "dash")],
    }
    label = f"{title} along the training for {count(len(found), 'optimizer')}, by replicate."
    return make_figure(id, title, label, traces, height=_HEIGHT, layout=layout)


def _differences(view: View, name: str) -> tuple[list[float], Floats]:
    """Steps, and float[pairs, points]: mean curve of a replicate minus that of the baseline."""
    if view.baseline not in view.optimizers:
        return [], np.empty((0, 0))
    steps: list[float] = []
    rows = []
    sides = [view.optimizers[who].replicates for who in (name, view.baseline)]
    for mine, other in zip(*sides, strict=False):
        if mine.complete and other.complete:
            steps, own = curve_of(mine.report, view.workload.metric)
            rows.append(own.mean(axis=0) - curve_of(other.report, view.workload.metric)[1].mean(0))
    return steps, np.array(rows).reshape(len(rows), len(steps))


def _crosses(
    optimizer: str, trainings: Sequence[Training], style: Style, scale: Scale
) -> list[go.Scatter]:
    """A cross at the bad end of the axis for each training that diverged, where it did."""
    bad = [t for t in trainings if t.status == Status.DIVERGED or lost(t)]
    if not bad:
        return []
    crosses = go.Scatter(
        x=[_lost_at(training) for training in bad],
        y=[bad_end(scale)] * len(bad),
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


def _lost_at(training: Training) -> float:
    steps = training.curve.get("step") or [math.nan]
    return float(steps[-1] if training.diverged_step is None else training.diverged_step)


def _reason(training: Training) -> str:
    """Why a training counts as diverged."""
    if training.diverged_step is not None:
        return f"loss not finite from step {training.diverged_step}"
    if training.status == Status.DIVERGED:
        return "diverged: a metric was not finite in the end"
    return "last value not finite"
