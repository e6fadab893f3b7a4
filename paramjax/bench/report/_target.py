"""Time to target: the share of trainings that reached it, against gradients evaluated."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from paramjax._format import number
from paramjax.bench.report._formatting import count, listed
from paramjax.bench.report._measures import Floats, first_reaching, share_reached
from paramjax.bench.report._style import Block, Figure, axis, hover, make_figure
from paramjax.bench.report._view import View, curve_of, reported
from paramjax.plots._style import plotly_text

_HEIGHT = 340


class Reached(NamedTuple):
    """How the report trainings of one optimizer came to the target.

    Attributes:
        times: Gradient evaluations until then, float[trainings]; infinite for a miss.
        budget: Gradient evaluations of a whole training.
    """

    times: Floats
    budget: float

    @property
    def misses(self) -> int:
        """Trainings that never reached it."""
        return int(np.isinf(self.times).sum())

    @property
    def median(self) -> float:
        """When half of the trainings had reached it; infinite if they never had."""
        return float(np.sort(self.times)[(len(self.times) - 1) // 2])


def reached(view: View) -> dict[str, Reached]:
    """Optimizer -> its times; without those whose gradients cannot be counted."""
    target, maximise = view.workload.target, view.workload.maximise
    if target is None:
        return {}
    found = {}
    for name, result in view.optimizers.items():
        steps, curves = curve_of(reported(result), view.workload.metric)
        gradients = result.audit.get("gradients") or math.inf
        if len(curves) and steps and math.isfinite(gradients):
            first = [first_reaching(steps, row, target, maximise=maximise) for row in curves]
            found[name] = Reached(np.array(first) * gradients, steps[-1] * gradients)
    return found


def target_block(view: View) -> Block | None:
    """The share that reached the target; None without a target or trainings."""
    found = reached(view)
    if not found:
        return None
    target = number(view.workload.target or 0.0)
    points = max(len(curve_of(reported(r), "")[0]) for r in view.optimizers.values())
    return Block(
        title="Time to target",
        hint=(
            f"Share of the report trainings whose test {view.workload.metric} has reached "
            f"{target}, against the gradients evaluated until then: steps times gradients a step, "
            f"looked at {points} times in a training. A training that never reaches it stays a "
            "miss to the end, one that diverged, too."
        ),
        question=f"Who reaches {target} first, counted in gradients?",
        answer=_answer(view, found),
        figures=[(None, _figure(view, found))],
    )


def _answer(view: View, found: dict[str, Reached]) -> str:
    there = sorted((r.median, name) for name, r in found.items() if math.isfinite(r.median))
    never = [f"{name} {r.misses} of {len(r.times)}" for name, r in found.items() if r.misses]
    out = [name for name in view.optimizers if name not in found]
    texts = [
        f"Half of the trainings are there after: {listed([f'{n} {t:,.0f}' for t, n in there])}."
        if there
        else "No optimizer got half of its trainings there."
    ]
    texts += [f"Misses: {listed(never)}."] if never else []
    texts += [f"Not counted: {listed(out)}."] if out else []
    return " ".join(texts)


def _figure(view: View, found: dict[str, Reached]) -> Figure:
    traces = []
    for name, times in found.items():
        when, share = share_reached(times.times)
        style = view.styles[name]
        last = float(share[-1]) if share.size else 0.0
        x = [0.0, *when.tolist(), times.budget]
        texts = [f"{s:.0%} after {w:,.0f} gradients" for w, s in zip(when, share, strict=True)]
        total = len(times.times)
        ends = f"{times.misses} of {total} never, after {times.budget:,.0f} gradients"
        traces.append(
            go.Scatter(
                x=x,
                y=[0.0, *share.tolist(), last],
                mode="lines",
                line={
                    "shape": "hv",
                    "color": style.colour,
                    "dash": style.dash,
                    "width": view.width(name),
                },
                hoverinfo="text",
                hovertext=[
                    hover(f"<b>{plotly_text(name)}</b>", text) for text in ["start", *texts, ends]
                ],
                legendgroup=style.group,
            )
        )
    title = "share of trainings that reached the target"
    layout = {
        "xaxis": axis("gradients evaluated", rangemode="tozero", nticks=7),
        "yaxis": axis("share of trainings", range=[-0.02, 1.02], tickformat=".0%", nticks=6),
    }
    label = f"{title}, for {count(len(found), 'optimizer')}."
    return make_figure(f"{view.id}-target", title, label, traces, height=_HEIGHT, layout=layout)
