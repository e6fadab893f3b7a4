"""Search plots: what every trial reached on validation data, and which one was chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from paramjax._status import Status
from paramjax.bench._rows import OptimizerRow, Training, WorkloadRow
from paramjax.bench._selection import by_trial
from paramjax.bench.report._formatting import count, number, settings
from paramjax.bench.report._style import Figure, Style, axis, figure, hover, log_ticks, plot_text

_HEIGHT = 250
_AXIS_OF_CHOICE = "learning_rate"
_MARGIN = 0.12


class Scale(NamedTuple):
    """The value axis that all search plots of a workload share.

    Attributes:
        logarithmic: Whether its axis is logarithmic.
        ends: Ends of the axis, as plotly takes them: exponents if logarithmic.
        bad: Where a trial without a finite value is drawn, in the metric's units.
    """

    logarithmic: bool
    ends: tuple[float, float]
    bad: float


def scale(tuning: Sequence[Training], *, higher_is_better: bool) -> Scale:
    """An axis on which every finite value fits, with room for lost trials at the bad end."""
    values = [t.value for t in tuning if math.isfinite(t.value)] or [0.0, 1.0]
    logarithmic = not higher_is_better and min(values) > 0
    places = [math.log10(value) for value in values] if logarithmic else values
    margin = _MARGIN * ((max(places) - min(places)) or max(abs(max(places)), 1.0) * 0.1)
    low, high = min(places) - margin, max(places) + margin
    bad = low + margin / 3 if higher_is_better else high - margin / 3
    return Scale(logarithmic, (low, high), 10**bad if logarithmic else bad)


def search(
    id: str,
    workload: WorkloadRow,
    optimizer: OptimizerRow,
    tuning: Sequence[Training],
    chosen: int | None,
    look: Style,
    shared: Scale,
) -> Figure:
    """One optimizer's trials on one workload.

    Args:
        id: Of the figure's element.
        workload: Gives the metric.
        optimizer: Gives the space.
        tuning: Its tuning trainings, at least one.
        chosen: The trial that was reported, or None as long as there is none.
        look: Its colour.
        shared: The value axis.

    Returns:
        The figure: a marker at each trial's mean over its tuning seeds with a line over
        their range, an x where a seed was lost or diverged, a star at the chosen trial.
    """
    name = horizontal(optimizer)
    groups = by_trial(tuning)
    traces = [
        _trial(groups[trial], name, look, shared, chosen=trial == chosen)
        for trial in sorted(groups, key=lambda trial: trial == chosen)
    ]
    entry = optimizer.space.get(name or "", {})
    x_axis = axis(plot_text((name or "trial").replace("_", " ")), **_horizontal_axis(name, entry))
    ticks = log_ticks(*(10**end for end in shared.ends)) if shared.logarithmic else {"nticks": 6}
    y_axis = axis(range=list(shared.ends), **ticks)
    label = (
        f"Validation {workload.metric} of {count(len(groups), 'trial')} of "
        f"{optimizer.optimizer} against {name or 'the number of the trial'}."
    )
    layout = {"xaxis": x_axis, "yaxis": y_axis, "margin": {"l": 8, "r": 12, "t": 8, "b": 8}}
    return figure(id, optimizer.optimizer, label, traces, height=_HEIGHT, layout=layout)


def horizontal(optimizer: OptimizerRow) -> str | None:
    """The hyperparameter on the horizontal axis: the learning rate, else the first one.

    Example:
        >>> horizontal(OptimizerRow("mine", "", {"beta": {}}, ""))
        'beta'
    """
    if _AXIS_OF_CHOICE in optimizer.space:
        return _AXIS_OF_CHOICE
    return next(iter(optimizer.space), None)


def _trial(
    trainings: Sequence[Training], name: str | None, look: Style, shared: Scale, *, chosen: bool
) -> go.Scatter:
    finite = [t.value for t in trainings if math.isfinite(t.value)]
    lost = len(trainings) - len(finite)
    diverged = lost > 0 or any(t.status == Status.DIVERGED for t in trainings)
    mean = shared.bad if lost else sum(finite) / len(finite)
    symbol = "x" if diverged else "star" if chosen else "circle"
    return go.Scatter(
        x=[_place(trainings[0], name)],
        y=[mean],
        error_y=None
        if lost
        else {
            "type": "data",
            "symmetric": False,
            "array": [max(finite) - mean],
            "arrayminus": [mean - min(finite)],
            "color": look.colour,
            "thickness": 1.2,
            "width": 0,
        },
        mode="markers",
        marker={
            "symbol": symbol,
            "size": 15 if chosen else 9,
            "color": look.colour,
            "opacity": 1.0 if chosen or diverged else 0.6,
        },
        hoverinfo="text",
        hovertext=[_hover(trainings, lost, chosen=chosen)],
        legendgroup=look.group,
    )


def _hover(trainings: Sequence[Training], lost: int, *, chosen: bool) -> str:
    first = trainings[0]
    values = [f"seed {t.seed}: {number(t.value, 5)}{_mark(t)}" for t in trainings]
    return hover(
        f"<b>trial {first.trial}</b>{', chosen' if chosen else ''}",
        *[plot_text(line) for line in settings(first.hyperparameters)],
        *values,
        *([f"{lost} of {len(trainings)} lost"] if lost else []),
    )


def _mark(training: Training) -> str:
    return " (diverged)" if training.status == Status.DIVERGED else ""


def _place(training: Training, name: str | None) -> Any:
    value = training.hyperparameters.get(name) if name else training.trial
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return value if numeric else plot_text(str(value))


def _horizontal_axis(name: str | None, entry: dict[str, Any]) -> dict[str, Any]:
    """Logarithmic, linear or by category, as the hyperparameter is drawn."""
    if name is not None and "low" not in entry:
        return {"type": "category"}
    return log_ticks(entry["low"], entry["high"]) if entry.get("logarithmic") else {"nticks": 6}
