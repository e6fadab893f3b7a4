"""The forest plot: every difference with its interval, its replicates, and the margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from paramjax._format import number
from paramjax.bench._results import Verdict
from paramjax.bench.report._formatting import bracketed, count, decimals, listed, percent, signed
from paramjax.bench.report._style import (
    GREY,
    Block,
    Figure,
    Style,
    axis,
    hover,
    make_figure,
    tick_text,
)
from paramjax.bench.report._view import View
from paramjax.bench.statistics import BETTER, EQUIVALENT, UNDECIDED, WORSE
from paramjax.plots._forest import difference_span
from paramjax.plots._style import plotly_text

SYMBOLS = {
    BETTER: "triangle-right",
    WORSE: "triangle-left",
    EQUIVALENT: "square",
    UNDECIDED: "circle-open",
}

_BAND = "rgba(134,142,153,0.22)"
_ROW, _FRAME = 46, 110
_ABOVE, _BELOW = -0.12, 0.2
"""Where the interval and the replicates of a row stand, in rows."""


def forest_block(view: View) -> Block | None:
    """The differences from the baseline with everything that they rest on; None without any."""
    if not view.verdicts:
        return None
    return Block(
        title=f"Differences from {view.baseline}",
        hint=(
            f"Difference in test {view.workload.metric}: symbol = mean, thin line = {view.level} "
            "interval, thick line = the narrower interval that must lie within the margin for "
            "equivalence, shaded = margin, dots = the paired difference of each replicate. "
            "Right is better. \u25b6 better, \u25c0 worse, \u25a0 equivalent, \u25cb undecided; "
            "\u00d7 a pair with a lost run, at the side of who lost it (in the middle: both); "
            "a hollow triangle lies beyond the axis."
        ),
        question="Why is anything undecided, and how many replicates would decide it?",
        answer=_answer(view.verdicts),
        figures=[(None, _figure(view))],
    )


def _answer(verdicts: Sequence[Verdict]) -> str:
    waiting = [verdict for verdict in verdicts if verdict.verdict == UNDECIDED]
    if not waiting:
        return "None is undecided."
    needed = [f"{v.optimizer} {v.decision.needed}" for v in waiting if v.decision.needed]
    never = [v.optimizer for v in waiting if not v.decision.needed]
    texts = ["The reason stands below each verdict."]
    if needed:
        texts.append(
            f"Replicates in all that would decide it with probability 80 %: {listed(needed)}."
        )
    if never:
        texts.append(
            f"For {listed(never)} more replicates alone would not: the difference may lie too "
            "close to the end of the margin, or replicates share too many rows."
        )
    return " ".join(texts)


def _figure(view: View) -> Figure:
    """Better is always to the right."""
    verdicts, maximise = view.verdicts, view.workload.maximise
    margin, intervals = view.workload.margin, [v.decision.interval for v in verdicts]
    places = decimals(margin, intervals)
    span = difference_span(intervals, [verdict.differences for verdict in verdicts], margin)
    traces = []
    for row, verdict in enumerate(verdicts):
        style = view.styles[verdict.optimizer]
        traces += _interval(row, verdict, style, places)
        traces.append(_replicates(row, verdict, view, span, places))
    names = [verdict.optimizer for verdict in verdicts]
    layout = {
        "xaxis": axis(
            title=plotly_text(f"difference in test {view.workload.metric} from {view.baseline}"),
            range=list(span if maximise else span[::-1]),
            nticks=7,
        ),
        "yaxis": axis(
            tickvals=list(range(len(names))),
            ticktext=[tick_text(name) for name in names],
            range=[len(names) - 0.4, -0.6],
            showgrid=False,
            fixedrange=True,
            ticks="",
        ),
        "shapes": [_margin_band(margin), _zero_line()],
        "annotations": [
            _direction("\u2190 worse", "right", -8),
            _direction("better \u2192", "left", 8),
            *_off_axis(verdicts, span, places, maximise),
        ],
        "margin": {"l": 8, "r": 16, "t": 34, "b": 8},
    }
    label = (
        f"Differences in test {view.workload.metric} from {view.baseline} with intervals, "
        f"the margin of {number(margin, 3)} and each replicate, best first; means and intervals "
        "stand in the verdict table."
    )
    title = f"Differences from {view.baseline}"
    return make_figure(
        f"{view.id}-forest", title, label, traces, height=_FRAME + _ROW * len(names), layout=layout
    )


def _interval(row: int, verdict: Verdict, style: Style, places: int) -> list[go.Scatter]:
    """The 95 % interval, the 90 % interval on it, and the mean; none of what is not finite."""
    decision = verdict.decision
    if not math.isfinite(decision.difference):
        return []
    text = hover(
        f"<b>{plotly_text(verdict.optimizer)}</b>: {verdict.verdict}",
        f"{signed(decision.difference, places)}",
        f"{percent(decision.level)}: {bracketed(decision.interval, places)}",
        f"{percent(2 * decision.level - 1)}: {bracketed(decision.equivalence_interval, places)}",
        f"{count(decision.replicates, 'replicate')}, {decision.method}",
    )
    shared: dict[str, Any] = {
        "hoverinfo": "text", "hovertext": text, "legendgroup": style.group,
    }  # fmt: skip
    lines = [
        go.Scatter(
            x=list(ends), y=[row + _ABOVE] * 2, mode="lines",
            line={"color": style.colour, "width": width}, **shared,
        )
        for ends, width in ((decision.interval, 2), (decision.equivalence_interval, 6))
        if all(map(math.isfinite, ends))
    ]  # fmt: skip
    mean = go.Scatter(
        x=[decision.difference],
        y=[row + _ABOVE],
        mode="markers",
        marker={
            "color": style.colour,
            "symbol": SYMBOLS[verdict.verdict],
            "size": 15,
            "line": {"width": 3 if verdict.verdict == UNDECIDED else 0, "color": style.colour},
        },
        **shared,
    )
    return [*lines, mean]


def _replicates(
    row: int, verdict: Verdict, view: View, span: tuple[float, float], places: int
) -> go.Scatter:
    """A mark for each replicate; beyond the axis and for lost pairs at the side they belong to."""
    marks = [_mark(k, d, verdict, view, span, places) for k, d in enumerate(verdict.differences)]
    style = view.styles[verdict.optimizer]
    return go.Scatter(
        x=[x for x, _, _ in marks],
        y=[row + _BELOW] * len(marks),
        mode="markers",
        marker={
            "symbol": [symbol for _, symbol, _ in marks],
            "size": 7,
            "color": style.colour,
            "opacity": 0.75,
        },
        hoverinfo="text",
        hovertext=[text for _, _, text in marks],
        legendgroup=style.group,
    )


def _mark(
    k: int, difference: float, verdict: Verdict, view: View, span: tuple[float, float], places: int
) -> tuple[float, str, str]:
    """Position, symbol and text of one replicate."""
    who = f"<b>{plotly_text(verdict.optimizer)}</b>, replicate {k}"
    if not math.isfinite(difference):
        mine, other = (_is_lost(view, name, k) for name in (verdict.optimizer, verdict.baseline))
        sides = [
            name for name, gone in ((verdict.optimizer, mine), (verdict.baseline, other)) if gone
        ]
        text = hover(who, f"lost by {plotly_text(listed(sides))}")
        if mine == other:
            return 0.0, "x", text
        return _edge(span, left=mine == view.workload.maximise), "x", text
    text = hover(who, signed(difference, places))
    if span[0] <= difference <= span[1]:
        return difference, "circle", text
    low = difference < span[0]
    symbol = "triangle-left-open" if low == view.workload.maximise else "triangle-right-open"
    return _edge(span, left=low), symbol, text


def _is_lost(view: View, name: str, k: int) -> bool:
    """Whether an optimizer has no score in a replicate."""
    scores = {r.number: r.score for r in view.optimizers[name].replicates}
    return not math.isfinite(scores.get(k, math.nan))


def _edge(span: tuple[float, float], *, left: bool) -> float:
    """A place just within the lower or the upper end of the axis."""
    inset = 0.015 * (span[1] - span[0])
    return span[0] + inset if left else span[1] - inset


def _off_axis(
    verdicts: Sequence[Verdict], span: tuple[float, float], places: int, maximise: bool
) -> list[dict[str, object]]:
    """A number at the side of the axis for each difference that lies beyond it."""
    marks: list[dict[str, object]] = []
    for row, verdict in enumerate(verdicts):
        difference = verdict.decision.difference
        if span[0] <= difference <= span[1] or math.isnan(difference):
            continue
        worse, text = (difference < 0) == maximise, signed(difference, places)
        marks.append({
            "text": f"\u25c0 {text}" if worse else f"{text} \u25b6",
            "xref": "paper", "yref": "y", "x": 0 if worse else 1, "y": row + _ABOVE, "yshift": 13,
            "xanchor": "left" if worse else "right", "showarrow": False,
        })  # fmt: skip
    return marks


def _margin_band(margin: float) -> dict[str, object]:
    return {
        "type": "rect", "xref": "x", "yref": "paper", "x0": -margin, "x1": margin,
        "y0": 0, "y1": 1, "line": {"width": 0}, "fillcolor": _BAND, "layer": "below",
    }  # fmt: skip


def _zero_line() -> dict[str, object]:
    return {
        "type": "line", "xref": "x", "yref": "paper", "x0": 0, "x1": 0, "y0": 0, "y1": 1,
        "line": {"color": GREY, "width": 1.5, "dash": "dash"}, "layer": "below",
    }  # fmt: skip


def _direction(text: str, anchor: str, shift: int) -> dict[str, object]:
    """A word beside the zero line that tells which side is which."""
    return {
        "text": text, "xref": "x", "yref": "paper", "x": 0, "y": 1,
        "yanchor": "bottom", "xanchor": anchor, "xshift": shift, "showarrow": False,
    }  # fmt: skip
