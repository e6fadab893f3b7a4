"""The forest plot: every difference with its interval beside zero."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import plotly.graph_objects as go

from paramjax.bench._rows import WorkloadRow
from paramjax.bench._statistics import BETTER, UNDECIDED, WORSE, Verdict
from paramjax.bench.report._formatting import bracketed, decimals, signed
from paramjax.bench.report._style import Figure, Style, axis, hover, make_figure, tick_text
from paramjax.plots._style import plotly_text

SYMBOLS = {BETTER: "triangle-right", WORSE: "triangle-left", UNDECIDED: "circle-open"}

_GREY = "#868e99"
_ROW, _FRAME = 30, 110


def best_first(verdicts: Sequence[Verdict], *, maximise: bool) -> list[Verdict]:
    """Verdicts with the best difference first."""
    sign = -1.0 if maximise else 1.0
    return sorted(verdicts, key=lambda verdict: sign * verdict.difference)


def forest_plot(
    id: str, workload: WorkloadRow, verdicts: Sequence[Verdict], styles: dict[str, Style]
) -> Figure:
    """At least one difference from the baseline on one workload, better always to the right."""
    ordered = best_first(verdicts, maximise=workload.maximise)
    baseline, places = ordered[0].baseline, decimals(ordered)
    traces = [_interval(row, v, styles[v.optimizer], places) for row, v in enumerate(ordered)]
    names = [verdict.optimizer for verdict in ordered]
    span = _span(ordered)
    layout = {
        "xaxis": axis(
            title=plotly_text(f"difference in test {workload.metric} from {baseline}"),
            range=span if workload.maximise else span[::-1],
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
        "shapes": [_zero_line()],
        "annotations": [
            _direction("\u2190 worse", "right", -8),
            _direction("better \u2192", "left", 8),
            *_off_axis(ordered, span, places),
        ],
        "margin": {"l": 8, "r": 16, "t": 34, "b": 8},
    }
    label = (
        f"Differences in test {workload.metric} from {baseline} with 95 % intervals, best "
        "first; the same numbers stand in the verdict table."
    )
    title = f"Differences from {baseline}"
    return make_figure(id, title, label, traces, height=_FRAME + _ROW * len(names), layout=layout)


def _span(verdicts: Sequence[Verdict]) -> list[float]:
    """Low and high end of the axis, zero within it.

    An interval that reaches over five times as far from zero as the median one is left to
    `_off_axis`: one broken optimizer would squeeze all the others to a point.
    """
    reach = [max(map(abs, verdict.interval)) for verdict in verdicts]
    near = 5 * statistics.median(reach)
    ends = [v.interval for v, far in zip(verdicts, reach, strict=True) if far <= near]
    low = min(0.0, *(end for interval in ends for end in interval))
    high = max(0.0, *(end for interval in ends for end in interval))
    margin = 0.08 * (high - low) or 1.0
    return [low - margin, high + margin]


def _off_axis(
    verdicts: Sequence[Verdict], span: list[float], places: int
) -> list[dict[str, object]]:
    """A number at the side of the axis for each difference that lies beyond it."""
    marks: list[dict[str, object]] = []
    for row, verdict in enumerate(verdicts):
        if span[0] <= verdict.difference <= span[1]:
            continue
        worse, text = verdict.verdict == WORSE, signed(verdict.difference, places)
        marks.append({
            "text": f"\u25c0 {text}" if worse else f"{text} \u25b6",
            "xref": "paper", "yref": "y", "x": 0 if worse else 1, "y": row,
            "xanchor": "left" if worse else "right", "showarrow": False,
        })  # fmt: skip
    return marks


def _interval(row: int, verdict: Verdict, style: Style, places: int) -> go.Scatter:
    low, high = verdict.interval
    text = hover(
        f"<b>{plotly_text(verdict.optimizer)}</b>: {verdict.verdict}",
        f"{signed(verdict.difference, places)} {bracketed(verdict.interval, places)}",
        f"{verdict.seeds} pairs of seeds",
    )
    return go.Scatter(
        x=[low, verdict.difference, high],
        y=[row] * 3,
        mode="lines+markers",
        line={"color": style.colour, "width": 2.5},
        marker={
            "color": style.colour,
            "symbol": ["line-ns-open", SYMBOLS[verdict.verdict], "line-ns-open"],
            "size": [10, 13, 10],
            "line": {"width": 2.5, "color": style.colour},
        },
        hoverinfo="text",
        hovertext=[text] * 3,
        legendgroup=style.group,
    )


def _zero_line() -> dict[str, object]:
    return {
        "type": "line", "xref": "x", "yref": "paper", "x0": 0, "x1": 0, "y0": 0, "y1": 1,
        "line": {"color": _GREY, "width": 2, "dash": "dash"}, "layer": "below",
    }  # fmt: skip


def _direction(text: str, anchor: str, shift: int) -> dict[str, object]:
    """A word beside the zero line that tells which side is which."""
    return {
        "text": text, "xref": "x", "yref": "paper", "x": 0, "y": 1,
        "yanchor": "bottom", "xanchor": anchor, "xshift": shift, "showarrow": False,
    }  # fmt: skip
