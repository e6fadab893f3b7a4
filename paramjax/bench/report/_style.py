"""What every figure of the report shares: a style for each optimizer, a layout, safe JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from paramjax._format import number
from paramjax.plots._axis import log_ticks
from paramjax.plots._style import plotly_text

COLOURS = (
    "#3b82c4", "#d1690e", "#2e9457", "#d64550", "#8f63c9",
    "#9c6b45", "#d1559f", "#14919b", "#868a1c", "#74808f",
)  # fmt: skip
"""Each has a contrast of at least 3 against both the light and the dark page."""

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
    text = json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)
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


def log_axis(low: float, high: float) -> dict[str, Any]:
    """Type, values and texts of the ticks of a logarithmic axis.

    Example:
        >>> log_axis(1e-5, 0.1)["ticktext"]
        ['1e-5', '0.0001', '0.001', '0.01', '0.1']
    """
    values = log_ticks(low, high)
    if len(values) < 2:
        return {"type": "log", "nticks": 6}
    return {"type": "log", "tickvals": values, "ticktext": [number(value) for value in values]}


def _finite(value: Any) -> Any:
    """The same value with None for numbers that are not finite."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
