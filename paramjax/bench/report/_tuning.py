"""How the score depends on tuning: the expected best trial, and the learning rate."""

from __future__ import annotations

import math

import numpy as np

from paramjax._format import number
from paramjax.bench.report._formatting import count, listed
from paramjax.bench.report._measures import (
    Band,
    capped,
    expected_best_band,
    grouped,
    sensitivity,
    usual_scale,
)
from paramjax.bench.report._search import LEARNING_RATE
from paramjax.bench.report._style import (
    Block,
    Figure,
    axis,
    line,
    log_axis,
    make_figure,
    scaled_axis,
)
from paramjax.bench.report._view import View, trials
from paramjax.plots._scale import Scale
from paramjax.plots._style import plotly_text

_HEIGHT = 340


def bests(view: View) -> dict[str, Band]:
    """Optimizer -> its expected best validation score after 1, 2, ... trials."""
    tuned = {name: view.tuned(name) for name in view.optimizers}
    return {
        name: expected_best_band(rows, maximise=view.workload.maximise)
        for name, rows in tuned.items()
        if rows.size
    }


def sensitivities(view: View) -> dict[str, float]:
    """Optimizer -> how far its trials stay behind the best of their replicate, on average."""
    return {
        name: float(
            np.mean([
                sensitivity(row, math.nan, maximise=view.workload.maximise)
                for row in view.tuned(name)
            ])
        )
        for name, result in view.optimizers.items()
        if view.tuned(name).size and _has_rate(result.space)
    }  # fmt: skip


def budget_block(view: View) -> Block | None:
    """What a budget of trials buys; None before a replicate is tuned."""
    found = bests(view)
    if not found:
        return None
    return Block(
        title="Expected best after k trials",
        hint=(
            f"Validation {view.workload.metric} of the best of k trials of a search, the mean "
            "over all subsets of its trials (Dodge et al., 2019; without replacement: Tang et "
            "al., 2020), averaged over replicates; band = 95 % interval of that average. A lost "
            "trial counts as untrained. The axis leaves out the worst values."
        ),
        question="Is it the optimizer or its tuning?",
        answer=_budget_answer(view, found),
        figures=[(None, _budget_figure(view, found))],
    )


def _budget_answer(view: View, found: dict[str, Band]) -> str:
    first = _leaders(view, {name: float(band.middle[0]) for name, band in found.items()})
    last = _leaders(view, {name: float(band.middle[-1]) for name, band in found.items()})
    most = max(len(band.middle) for band in found.values())
    both = [name for name in last if name in first]
    if both:
        return (
            f"Within the margin of the best after one trial as after {most}: {listed(both)}. "
            "Tuning does not explain that lead."
        )
    return (
        f"It depends on the budget. Within the margin of the best after one trial: "
        f"{listed(first)}; after {most}: {listed(last)}."
    )


def _leaders(view: View, values: dict[str, float]) -> list[str]:
    """Those within the margin of the best one, best first."""
    ordered = view.best_first(values)
    best = values[ordered[0]]
    return [name for name in ordered if abs(values[name] - best) <= view.workload.margin]


def _budget_figure(view: View, found: dict[str, Band]) -> Figure:
    middles = np.concatenate([band.middle for band in found.values()])
    scale = usual_scale(middles, maximise=view.workload.maximise)
    most = max(len(band.middle) for band in found.values())
    traces = []
    for name, band in found.items():
        k = range(1, len(band.middle) + 1)
        width = view.width(name)
        style = view.styles[name]
        traces += line(
            name, k, band, style, "best of {x:.0f}: {y}", width=width, mode="lines+markers"
        )
    title = f"expected best validation {view.workload.metric}"
    layout = {
        "xaxis": axis("trials", tick0=1, dtick=max(1, most // 12)),
        "yaxis": scaled_axis(plotly_text(title), scale),
    }
    label = f"{title} after 1, 2, ... trials for {count(len(found), 'optimizer')}."
    return make_figure(f"{view.id}-budget", title, label, traces, height=_HEIGHT, layout=layout)


def rate_block(view: View, scale: Scale) -> Block | None:
    """Scores against learning rates; None if no optimizer searches a learning rate."""
    found = sensitivities(view)
    if not found:
        return None
    return Block(
        title="Learning-rate sensitivity",
        hint=(
            f"Validation {view.workload.metric} against learning rate, means over neighbouring "
            "trials of all replicates, on the axis of the search panels. The number is how far "
            "a trial stays behind the best of its replicate on average, at most by as much as "
            "untrained parameters (Wortsman et al., 2023, with the trials as the learning rates "
            "tried); the other hyperparameters vary along."
        ),
        question="Which optimizer forgives a wrong learning rate?",
        answer=_rate_answer(found),
        figures=[(None, _rate_figure(view, list(found), scale))],
    )


def _has_rate(space: dict[str, dict[str, object]]) -> bool:
    return bool(space.get(LEARNING_RATE, {}).get("logarithmic"))


def _rate_answer(found: dict[str, float]) -> str:
    ordered = sorted(found, key=lambda name: found[name])
    return f"Sensitivity, least first: {listed([f'{n} {number(found[n], 3)}' for n in ordered])}."


def _rate_figure(view: View, names: list[str], scale: Scale) -> Figure:
    maximise = view.workload.maximise
    traces, ends = [], []
    for name in names:
        tried = [(t, view.untrained(r.number)) for r in view.optimizers[name].replicates
                 for t in trials(r)]  # fmt: skip
        rates = np.log10([float(trial.hyperparameters[LEARNING_RATE]) for trial, _ in tried])
        values = [float(capped(t.value, start, maximise=maximise)) for t, start in tried]
        where, mean = grouped(rates, values, len(trials(view.optimizers[name].replicates[0])))
        band, text, width = Band(mean, mean, mean), "{x:.3g}: {y}", view.width(name)
        traces += line(name, 10.0**where, band, view.styles[name], text, width=width,
                       mode="lines+markers")  # fmt: skip
        space = view.optimizers[name].space[LEARNING_RATE]
        ends += [float(space["low"]), float(space["high"])]
    title = f"validation {view.workload.metric}"
    layout = {
        "xaxis": axis("learning rate", **log_axis(min(ends), max(ends))),
        "yaxis": scaled_axis(plotly_text(title), scale),
    }
    label = f"{title} against the learning rate for {count(len(names), 'optimizer')}."
    return make_figure(f"{view.id}-rate", title, label, traces, height=_HEIGHT, layout=layout)
