"""Search panels: the validation score of every trial against its learning rate."""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go

from paramjax.bench.report._formatting import count, fixed, listed, settings
from paramjax.bench.report._measures import bad_end, search_scale
from paramjax.bench.report._style import (
    Block,
    Figure,
    Style,
    axis,
    hover,
    log_axis,
    make_figure,
    scaled_axis,
)
from paramjax.bench.report._view import Trial, View, all_trials
from paramjax.plots._scale import Scale
from paramjax.plots._style import plotly_text

LEARNING_RATE = "learning_rate"

_HEIGHT = 250


def shared_scale(view: View) -> Scale:
    """The axis of validation scores that all panels of a workload share."""
    trials = [trial for result in view.optimizers.values() for trial in all_trials(result)]
    chosen = [trial.value for trial in trials if trial.chosen]
    return search_scale([trial.value for trial in trials], chosen, maximise=view.workload.maximise)


def search_block(view: View, scale: Scale) -> Block | None:
    """A panel for each optimizer with trials; None without any."""
    figures = [
        (view.styles[name], _panel(f"{view.id}-search-{i}", view, name, scale))
        for i, (name, result) in enumerate(view.optimizers.items())
        if all_trials(result)
    ]
    if not figures:
        return None
    side = "below" if view.workload.maximise else "above"
    return Block(
        title="Search",
        hint=(
            f"Validation {view.workload.metric} of every trial of every replicate. \u2605 was "
            f"chosen in its replicate; \u25bd lies {side} the axis, which all panels share; "
            "\u00d7 was lost. Hover for the other hyperparameters."
        ),
        question="Did the search stop at an edge of its space?",
        answer=_answer(view, scale),
        figures=figures,
        layout="grid",
    )


def _answer(view: View, scale: Scale) -> str:
    edges = [
        f"{verdict.optimizer} at {listed(verdict.edges)}"
        for verdict in view.verdicts
        if verdict.edges
    ]
    text = (
        f"Yes, in most replicates: {listed(edges)}. A wider space might find better trials."
        if edges
        else "No: none chose an edge in most of its replicates."
    )
    tried = {name: all_trials(result) for name, result in view.optimizers.items()}
    beyond = {name: sum(_beyond(trial, scale) for trial in own) for name, own in tried.items()}
    off = [f"{name} {n} of {len(tried[name])}" for name, n in beyond.items() if n]
    return f"{text} Trials beyond the axis: {listed(off)}."


def _beyond(trial: Trial, scale: Scale) -> bool:
    """Whether a trial that is not lost lies outside the axis."""
    return math.isfinite(trial.value) and not scale.holds(trial.value)


def _panel(id: str, view: View, name: str, scale: Scale) -> Figure:
    tried, style = all_trials(view.optimizers[name]), view.styles[name]
    space = view.optimizers[name].space
    horizontal = LEARNING_RATE if LEARNING_RATE in space else next(iter(space), None)
    title = plotly_text((horizontal or "trial").replace("_", " "))
    label = (
        f"Validation {view.workload.metric} of {count(len(tried), 'trial')} of {name} against "
        f"{horizontal or 'the number of the trial'}."
    )
    layout = {
        "xaxis": axis(title, **_horizontal_axis(horizontal, space)),
        "yaxis": scaled_axis("", scale),
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
    }
    ordered = sorted(tried, key=lambda trial: trial.chosen)
    traces = [_marks(ordered, horizontal, style, scale)]
    return make_figure(id, name, label, traces, height=_HEIGHT, layout=layout)


def _horizontal_axis(name: str | None, space: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Logarithmic, linear or by category, as the hyperparameter is drawn."""
    distribution = space.get(name or "", {})
    if name is not None and "low" not in distribution:
        return {"type": "category"}
    if distribution.get("logarithmic"):
        return log_axis(distribution["low"], distribution["high"], most=3)
    return {"nticks": 6}


def _marks(trials: list[Trial], name: str | None, style: Style, scale: Scale) -> go.Scatter:
    values = [trial.hyperparameters.get(name) if name else trial.number for trial in trials]
    held = [bool(scale.holds(trial.value)) for trial in trials]
    bad = "triangle-down-open" if scale.maximise else "triangle-up-open"
    return go.Scatter(
        x=[v if _numeric(v) else plotly_text(str(v)) for v in values],
        y=[t.value if inside else bad_end(scale) for t, inside in zip(trials, held, strict=True)],
        mode="markers",
        marker={
            "symbol": [
                "x" if math.isnan(t.value) else bad if not inside else _symbol(t)
                for t, inside in zip(trials, held, strict=True)
            ],
            "size": [14 if trial.chosen else 8 for trial in trials],
            "color": style.colour,
            "opacity": [1.0 if trial.chosen else 0.6 for trial in trials],
        },
        hoverinfo="text",
        hovertext=[_hover(trial) for trial in trials],
        legendgroup=style.group,
    )


def _symbol(trial: Trial) -> str:
    return "star" if trial.chosen else "circle"


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _hover(trial: Trial) -> str:
    return hover(
        f"<b>replicate {trial.replicate}, trial {trial.number}</b>{', chosen' * trial.chosen}",
        *[plotly_text(text) for text in settings(trial.hyperparameters)],
        f"{fixed(trial.value, 5)}" if math.isfinite(trial.value) else "lost",
    )
