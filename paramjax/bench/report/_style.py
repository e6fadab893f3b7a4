"""What every figure of the report shares: a style for each optimizer, a layout, safe JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from paramjax._format import number, without_nonfinite
from paramjax.bench.report._formatting import fixed
from paramjax.bench.report._measures import Band
from paramjax.plots._axis import log_ticks
from paramjax.plots._scale import Scale
from paramjax.plots._style import plotly_text

COLOURS = (
    "#3b82c4", "#d1690e", "#2e9457", "#d64550", "#8f63c9",
    "#9c6b45", "#d1559f", "#14919b", "#868a1c", "#74808f",
)  # fmt: skip
"""Each has a contrast of at least 3 against both the light and the dark page."""

GREY = "#868e99"
"""Of lines that belong to no optimizer."""

DASHES = {"solid": "", "dash": "7 4", "dot": "2 3", "dashdot": "8 3 2 3"}
"""Plotly's name of a dash -> the dash in SVG."""

_LONGEST_NAME = 26
_FONT_SIZE = 12.5


class Style(NamedTuple):
    """How one optimizer is drawn in every figure.

    Attributes:
        group: Name of its traces, so that one button shows and hides them.
        colour: Of lines and markers.
        dash: Of lines, one of `DASHES`, for readers who cannot tell the colours apart.
    """

    group: str
    colour: str
    dash: str

    @property
    def stroke(self) -> str:
        """The dash in SVG."""
        return DASHES[self.dash]

    @property
    def band(self) -> str:
        """The colour, nearly transparent."""
        red, green, blue = (int(self.colour[i : i + 2], 16) for i in (1, 3, 5))
        return f"rgba({red},{green},{blue},0.12)"


class Figure(NamedTuple):
    """A plotly figure with what HTML needs to show it.

    Attributes:
        id: Of its element, the same in every report.
        title: Plain text.
        label: A description for readers who cannot see the figure.
        height: In pixels.
        json: The figure as JSON for a script element.
    """

    id: str
    title: str
    label: str
    height: int
    json: str


class Block(NamedTuple):
    """Figures under one heading, with how to read them and what a reader asks next.

    Attributes:
        title: Heading.
        hint: What is drawn, and how to read it.
        question: The reader's next question.
        answer: In a sentence or two.
        figures: Each with the style of its optimizer, or None if it shows several.
        layout: Class of the element around them: `single`, `trio` or `grid`.
    """

    title: str
    hint: str
    question: str
    answer: str
    figures: Sequence[tuple[Style | None, Figure]]
    layout: str = "single"


def styles(names: Sequence[str]) -> dict[str, Style]:
    """A style for each optimizer, by its position; the first forty differ.

    Example:
        >>> styles(["adam", "sgd"])["sgd"].dash
        'dash'
    """
    dashes = list(DASHES)
    return {
        name: Style(
            group=f"optimizer-{i}",
            colour=COLOURS[i % len(COLOURS)],
            dash=dashes[(i + i // len(COLOURS)) % len(dashes)],
        )
        for i, name in enumerate(names)
    }


def tick_text(name: str) -> str:
    """A name short enough for an axis; the table and the hover box show it whole."""
    short = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}\u2026"
    return plotly_text(short)


def hover(*lines: str) -> str:
    """The lines of a hover box; user text must have gone through `plotly_text`."""
    return "<br>".join(lines)


def script_json(value: Any) -> str:
    r"""JSON in which no HTML parser sees the end of a script; NaN becomes null.

    Example:
        >>> script_json({"name": "</script>"})
        '{"name":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(without_nonfinite(value), separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def make_figure(
    id: str, title: str, label: str, traces: Sequence[Any], *, height: int, layout: dict[str, Any]
) -> Figure:
    """Check traces and layout against plotly's schema and add what all figures share."""
    shared = {
        "template": go.layout.Template(),
        "height": height,
        "margin": {"l": 8, "r": 16, "t": 16, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "hovermode": "closest",
        "font": {"size": _FONT_SIZE},
        "hoverlabel": {"align": "left"},
    }
    figure = go.Figure(data=list(traces), layout={**shared, **layout})
    return Figure(id, title, label, height, script_json(figure.to_plotly_json()))


def axis(title: str = "", **settings: Any) -> dict[str, Any]:
    """An axis in the report's style; its title must have gone through `plotly_text`."""
    return {
        "title": {"text": title, "font": {"size": _FONT_SIZE}},
        "automargin": True,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        **settings,
    }


def log_axis(low: float, high: float, most: int = 7) -> dict[str, Any]:
    """Type, values and texts of the ticks of a logarithmic axis, every second one if too many.

    Example:
        >>> log_axis(1e-5, 0.1)["ticktext"]
        ['1e-5', '0.0001', '0.001', '0.01', '0.1']
    """
    values = log_ticks(low, high)
    values = values if len(values) <= most else values[::2]
    if len(values) < 2:
        return {"type": "log", "nticks": 6}
    return {"type": "log", "tickvals": values, "ticktext": [number(value) for value in values]}


def scaled_axis(title: str, scale: Scale, **settings: Any) -> dict[str, Any]:
    """An axis with the ends and ticks of a scale."""
    ends = [float(scale.linear(end)) for end in (scale.low, scale.high)]
    ticks = log_axis(scale.low, scale.high) if scale.log else {"nticks": 6}
    return axis(title, range=ends, **ticks, **settings)


def across(y: float, dash: str) -> dict[str, Any]:
    """A grey line over the whole width of a panel."""
    return {
        "type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": y, "y1": y,
        "line": {"color": GREY, "width": 1.2, "dash": dash}, "layer": "below",
    }  # fmt: skip


def line(
    name: str, x: Any, band: Band, style: Style, label: str, **settings: Any
) -> list[go.Scatter]:
    """A band, unless it is empty, and its middle; `label` says `{x}` and `{y}` of a point."""
    where, middles = np.asarray(x, float).tolist(), band.middle.tolist()
    known = np.isfinite(band.low) & np.isfinite(band.high)
    there = np.asarray(x, float)[known].tolist()
    area = go.Scatter(
        x=there + there[::-1],
        y=band.high[known].tolist() + band.low[known].tolist()[::-1],
        fill="toself",
        fillcolor=style.band,
        mode="lines",
        line={"width": 0},
        hoverinfo="skip",
        legendgroup=style.group,
    )
    middle = go.Scatter(
        x=where,
        y=middles,
        line={"color": style.colour, "dash": style.dash, "width": settings.pop("width", 2.0)},
        hoverinfo="text",
        hovertext=[
            hover(f"<b>{plotly_text(name)}</b>", label.format(x=at, y=fixed(value, 5)))
            for at, value in zip(where, middles, strict=True)
        ],
        legendgroup=style.group,
        **{"mode": "lines", **settings},
    )
    return [area, middle] if (band.high > band.low).any() else [middle]
