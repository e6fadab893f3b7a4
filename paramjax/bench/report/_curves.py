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
from paramjax.bench.report._measures import Band, bad_end, curve_scale, late_gain, typical
from paramjax.bench.report._style import (
    Block,
    Figure,
    Style,
    axis,
    hover,
    line,
    make_figure,
    scaled_axis,
)
from paramjax.bench.report._view import View, curve_of, lost, reported
from paramjax.plots._scale import Scale
from paramjax.plots._style import plotly_text

_HEIGHT = 380


def curve_block(view: View) -> Block | None:
    """The deciding metric on test rows and the loss on training rows; None without trainings."""
    metric, maximise = view.workload.metric, view.workload.maximise
    names = [(metric, f"test {metric}", maximise), ("train_loss", "training loss", False)]
    figures = [
        figure
        for i, (name, title, larger) in enumerate(names)
        if (figure := _figure(f"{view.id}-curve-{i}", view, name, title, maximise=larger))
    ]
    if not figures:
        return None
    return Block(
        title="Learning curves",
        hint=(
            "The chosen trial of each replicate, trained with its report seeds: line = median, "
            "band = middle half; lost trainings count as worst. Verdicts rest on means of the "
            "last values, paired by replicate, so bands may overlap where the difference is "
            "clear. \u00d7 marks where a training diverged; the thick line is the baseline. The "
            "axis is that of the second half of the training, without the worst curves."
        ),
        question="Would more steps change the order?",
        answer=_answer(view),
        figures=[(None, figure) for figure in figures],
        layout="pair",
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
        f"It may. More than the margin of {number(margin)} was won in the last fifth of the "
        f"training by {listed(still)}."
        if still
        else f"Hardly: no median wins more than the margin of {number(margin)} in its last fifth."
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
    longest = max((len(steps) for steps, _ in curves.values()), default=0)
    middles = np.full((len(curves), longest), np.nan)
    for row, (_, band) in zip(middles, curves.values(), strict=True):
        row[: len(band.middle)] = band.middle
    base = curves[view.baseline][1].middle if view.baseline in curves else ()
    return curve_scale(middles, base, maximise=maximise)


def _figure(id: str, view: View, name: str, title: str, *, maximise: bool) -> Figure | None:
    curves = _curves(view, name, maximise)
    if not curves:
        return None
    scale = _scale(curves, view, maximise)
    traces = []
    for optimizer, (steps, band) in curves.items():
        width = 3.5 if optimizer == view.baseline else 2.0
        traces += line(
            optimizer, steps, band, view.styles[optimizer], "step {x:.0f}: median {y}", width=width
        )
    for optimizer, result in view.optimizers.items():
        traces += _crosses(optimizer, reported(result), view.styles[optimizer], scale)
    layout = {
        "xaxis": axis(title="step", rangemode="tozero"),
        "yaxis": scaled_axis(plotly_text(title), scale),
    }
    trainings = max(len(reported(view.optimizers[name])) for name in curves)
    label = (
        f"{title} along the training for {count(len(curves), 'optimizer')}, median and middle "
        f"half of {count(trainings, 'training')}."
    )
    return make_figure(id, title, label, traces, height=_HEIGHT, layout=layout)


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
        return "diverged: its loss was still climbing at the end"
    return "last value not finite"
