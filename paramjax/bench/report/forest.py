"""The forest plot: every difference with its interval beside zero."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from paramjax.bench.records import WorkloadRow
from paramjax.bench.report.formatting import bracketed, decimals, signed
from paramjax.bench.report.looks import Figure, Look, axis, figure, hover, plot_text, tick_text
from paramjax.bench.statistics import BETTER, UNDECIDED, WORSE, Verdict

SYMBOLS = {BETTER: "triangle-right", WORSE: "triangle-left", UNDECIDED: "circle-open"}

_GREY = "#868e99"
_ROW, _FRAME = 30, 110


def by_merit(verdicts: Sequence[Verdict], *, higher_is_better: bool) -> list[Verdict]:
    """Verdicts with the best difference first."""
    sign = -1.0 if higher_is_better else 1.0
    return sorted(verdicts, key=lambda verdict: sign * verdict.difference)


def forest(
    id: str, workload: WorkloadRow, verdicts: Sequence[Verdict], looks: dict[str, Look]
) -> Figure:
    """Differences from the baseline on one workload, better always to the right.

    Args:
        id: Of the figure's element.
        workload: Gives metric and direction.
        verdicts: Those of the workload, at least one.
        looks: One for each optimizer.

    Returns:
        The figure.
    """
    ordered = by_merit(verdicts, higher_is_better=workload.higher_is_better)
    baseline = ordered[0].baseline
    places = decimals(ordered)
    traces = [_interval(row, v, looks[v.optimizer], places) for row, v in enumerate(ordered)]
    names = [verdict.optimizer for verdict in ordered]
    layout = {
        "xaxis": axis(
            title=plot_text(f"difference in test {workload.metric} from {baseline}"),
            autorange=True if workload.higher_is_better else "reversed",
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
        ],
        "margin": {"l": 8, "r": 16, "t": 34, "b": 8},
    }
    label = (
        f"Differences in test {workload.metric} from {baseline} with 95 % intervals, best "
        "first; the same numbers stand in the verdict table."
    )
    title = f"Differences from {baseline}"
    return figure(id, title, label, traces, height=_FRAME + _ROW * len(names), layout=layout)


def _interval(row: int, verdict: Verdict, look: Look, places: int) -> go.Scatter:
    low, high = verdict.interval
    text = hover(
        f"<b>{plot_text(verdict.optimizer)}</b>: {verdict.verdict}",
        f"{signed(verdict.difference, places)} {bracketed(verdict.interval, places)}",
        f"{verdict.seeds} pairs of seeds",
    )
    return go.Scatter(
        x=[low, verdict.difference, high],
        y=[row] * 3,
        mode="lines+markers",
        line={"color": look.colour, "width": 2.5},
        marker={
            "color": look.colour,
            "symbol": ["line-ns-open", SYMBOLS[verdict.verdict], "line-ns-open"],
            "size": [10, 13, 10],
            "line": {"width": 2.5, "color": look.colour},
        },
        hoverinfo="text",
        hovertext=[text] * 3,
        legendgroup=look.group,
    )


def _zero_line() -> dict[str, object]:
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": 0,
        "x1": 0,
        "y0": 0,
        "y1": 1,
        "line": {"color": _GREY, "width": 2, "dash": "dash"},
        "layer": "below",
    }


def _direction(text: str, anchor: str, shift: int) -> dict[str, object]:
    """A word beside the zero line that says which side is which."""
    return {
        "text": text,
        "xref": "x",
        "yref": "paper",
        "x": 0,
        "y": 1,
        "yanchor": "bottom",
        "xanchor": anchor,
        "xshift": shift,
        "showarrow": False,
    }
