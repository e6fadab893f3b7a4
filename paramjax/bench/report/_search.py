"""Search plots: the validation metric of every trial, and which trial was chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from paramjax._status import Status
from paramjax.bench._rows import OptimizerRow, Training, WorkloadRow
from paramjax.bench._selection import by_trial
from paramjax.bench.report._formatting import count, fixed, settings
from paramjax.bench.report._style import Figure, Style, axis, hover, log_axis, make_figure
from paramjax.plots._style import plotly_text

_HEIGHT = 250
_FIRST = "learning_rate"
_MARGIN = 0.12


class Scale(NamedTuple):
    """The value axis that all search plots of a workload share.

    Attributes:
        logarithmic: Whether the axis is logarithmic.
        ends: Ends of the axis as plotly takes them: exponents if logarithmic.
        bad: Height of a trial without a finite value, in the metric's units.
    """

    logarithmic: bool
    ends: tuple[float, float]
    bad: float


def shared_scale(tuning: Sequence[Training], *, maximise: bool) -> Scale:
    """An axis for every finite value, with room for diverged trials at the bad end."""
    values = [t.value for t in tuning if math.isfinite(t.value)] or [0.0, 1.0]
    logarithmic = not maximise and min(values) > 0
    linear = [math.log10(value) for value in values] if logarithmic else values
    margin = _MARGIN * ((max(linear) - min(linear)) or max(abs(max(linear)), 1.0) * 0.1)
    low, high = min(linear) - margin, max(linear) + margin
    bad = low + margin / 3 if maximise else high - margin / 3
    return Scale(logarithmic, (low, high), 10**bad if logarithmic else bad)


def search_plot(
    id: str,
    workload: WorkloadRow,
    optimizer: OptimizerRow,
    tuning: Sequence[Training],
    chosen: int | None,
    style: Style,
    scale: Scale,
) -> Figure:
    """One optimizer's trials on one workload against its learning rate.

    Each trial has a marker at the mean over its tuning seeds with a line over their range: a
    cross if a seed diverged, a star if it was chosen for the report.
    """
    name = _horizontal(optimizer)
    groups = by_trial(tuning)
    traces = [
        _trial(groups[trial], name, style, scale, chosen=trial == chosen)
        for trial in sorted(groups, key=lambda trial: trial == chosen)
    ]
    distribution = optimizer.space.get(name or "", {})
    title = plotly_text((name or "trial").replace("_", " "))
    ticks = log_axis(*(10**end for end in scale.ends)) if scale.logarithmic else {"nticks": 6}
    label = (
        f"Validation {workload.metric} of {count(len(groups), 'trial')} of "
        f"{optimizer.optimizer} against {name or 'the number of the trial'}."
    )
    layout = {
        "xaxis": axis(title, **_horizontal_axis(name, distribution)),
        "yaxis": axis(range=list(scale.ends), **ticks),
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
    }
    return make_figure(id, optimizer.optimizer, label, traces, height=_HEIGHT, layout=layout)


def _horizontal(optimizer: OptimizerRow) -> str | None:
    """The hyperparameter on the horizontal axis: the learning rate, else the first one."""
    return _FIRST if _FIRST in optimizer.space else next(iter(optimizer.space), None)


def _horizontal_axis(name: str | None, distribution: dict[str, Any]) -> dict[str, Any]:
    """Logarithmic, linear or by category, as the hyperparameter is drawn."""
    if name is not None and "low" not in distribution:
        return {"type": "category"}
    if distribution.get("logarithmic"):
        return log_axis(distribution["low"], distribution["high"])
    return {"nticks": 6}


def _trial(
    trainings: Sequence[Training], name: str | None, style: Style, scale: Scale, *, chosen: bool
) -> go.Scatter:
    finite = [t.value for t in trainings if math.isfinite(t.value)]
    lost = len(trainings) - len(finite)
    diverged = lost > 0 or any(t.status == Status.DIVERGED for t in trainings)
    mean = scale.bad if lost else sum(finite) / len(finite)
    value = trainings[0].hyperparameters.get(name) if name else trainings[0].trial
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    error = None if lost else {
        "type": "data",
        "symmetric": False,
        "array": [max(finite) - mean],
        "arrayminus": [mean - min(finite)],
        "color": style.colour,
        "thickness": 1.2,
        "width": 0,
    }  # fmt: skip
    return go.Scatter(
        x=[value if numeric else plotly_text(str(value))],
        y=[mean],
        error_y=error,
        mode="markers",
        marker={
            "symbol": "x" if diverged else "star" if chosen else "circle",
            "size": 15 if chosen else 9,
            "color": style.colour,
            "opacity": 1.0 if chosen or diverged else 0.6,
        },
        hoverinfo="text",
        hovertext=[_hover(trainings, lost, chosen=chosen)],
        legendgroup=style.group,
    )


def _hover(trainings: Sequence[Training], lost: int, *, chosen: bool) -> str:
    first = trainings[0]
    values = [
        f"seed {t.seed}: {fixed(t.value, 5)}{' (diverged)' * (t.status == Status.DIVERGED)}"
        for t in trainings
    ]
    return hover(
        f"<b>trial {first.trial}</b>{', chosen' if chosen else ''}",
        *[plotly_text(line) for line in settings(first.hyperparameters)],
        *values,
        *([f"{lost} of {len(trainings)} without a finite value"] if lost else []),
    )
