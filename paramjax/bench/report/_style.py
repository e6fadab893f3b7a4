"""What every figure shares: a colour for each optimizer, a layout, and text that stays text."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

COLOURS = (
    "#3b82c4",
    "#d1690e",
    "#2e9457",
    "#d64550",
    "#8f63c9",
    "#9c6b45",
    "#d1559f",
    "#14919b",
    "#868a1c",
    "#74808f",
)
"""Each has a contrast of at least 3 against both the light and the dark page."""

DASHES = {"solid": "", "dash": "7 4", "dot": "2 3", "dashdot": "8 3 2 3"}
"""Plotly's names, and what SVG calls the same."""

_LONGEST = 26
_TEXT = 12.5
_TICKS = 6
_FINER = ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7))


class Style(NamedTuple):
    """How one optimizer is drawn in every figure.

    Attributes:
        group: Names its traces, so that one button shows and hides them.
        colour: Of lines and markers.
        dash: Of lines, one of `DASHES`; tells apart what colour alone would not.
    """

    group: str
    colour: str
    dash: str

    @property
    def stroke(self) -> str:
        """The dash as SVG writes it."""
        return DASHES[self.dash]

    @property
    def band(self) -> str:
        """The colour, nearly transparent."""
        red, green, blue = (int(self.colour[i : i + 2], 16) for i in (1, 3, 5))
        return f"rgba({red},{green},{blue},0.12)"


class Figure(NamedTuple):
    """A plotly figure with what HTML needs to place it.

    Attributes:
        id: Of its element, the same in every report.
        title: Plain text.
        label: What it shows, for readers who do not see it.
        height: In pixels.
        json: The figure as JSON that may stand in a script element.
    """

    id: str
    title: str
    label: str
    height: int
    json: str


def styles(names: Sequence[str]) -> dict[str, Style]:
    """A look for each optimizer, by its position.

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


def plot_text(text: str) -> str:
    """Text for plotly, which reads tags and entities in names, ticks and hovers.

    Example:
        >>> plot_text("mine.py:<b>x</b>")
        'mine.py:&lt;b&gt;x&lt;/b&gt;'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def tick_text(name: str) -> str:
    """A name short enough for an axis; the whole of it stands in the table and the hover.

    Example:
        >>> tick_text("adamw")
        'adamw'
    """
    return plot_text(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}\u2026")


def hover(*lines: str) -> str:
    """Lines of a hover box; each must have gone through `plot_text` where a user wrote it."""
    return "<br>".join(lines)


def script_json(value: Any) -> str:
    r"""JSON that no HTML parser can take for the end of a script; NaN becomes null.

    Example:
        >>> script_json({"name": "</script>"})
        '{"name":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def figure(
    id: str, title: str, label: str, traces: Sequence[Any], *, height: int, layout: dict[str, Any]
) -> Figure:
    """Check the traces against plotly's schema and pack them.

    Args:
        id: Of the element.
        title: Plain text above the figure.
        label: What it shows.
        traces: Plotly traces.
        height: In pixels.
        layout: Added to what all figures share.

    Returns:
        The figure. Its text and grid colours are the page's, light or dark.

    Raises:
        ValueError: If plotly knows no such layout.
    """
    shared = {
        "template": go.layout.Template(),
        "height": height,
        "margin": {"l": 8, "r": 16, "t": 16, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "hovermode": "closest",
        "font": {"size": _TEXT},
        "hoverlabel": {"align": "left"},
    }
    drawn = go.Figure(data=list(traces), layout={**shared, **layout})
    return Figure(id, title, label, height, script_json(drawn.to_plotly_json()))


def axis(title: str = "", **settings: Any) -> dict[str, Any]:
    """An axis in the report's style; its title must have gone through `plot_text`."""
    return {
        "title": {"text": title, "font": {"size": _TEXT}},
        "automargin": True,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        **settings,
    }


def log_ticks(low: float, high: float) -> dict[str, Any]:
    """Ticks of a logarithmic axis that stay few enough to read.

    Args:
        low: Least positive value on the axis.
        high: Greatest value.

    Returns:
        Type, values and texts of the ticks.

    Example:
        >>> log_ticks(1e-5, 0.1)["ticktext"]
        ['1e-5', '1e-4', '0.001', '0.01', '0.1']
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    whole = [e for e in range(first, last + 1) if low * 0.99 <= 10.0**e <= high * 1.01]
    stride = math.ceil(len(whole) / _TICKS)
    values = [10.0**e for e in whole[:: stride or 1]]
    for digits in _FINER if len(whole) < 3 else ():
        fine = [float(f"{digit}e{e}") for e in range(first, last + 1) for digit in digits]
        values = [value for value in fine if low * 0.99 <= value <= high * 1.01]
        if len(values) > 3:
            break
    if len(values) < 2:
        return {"type": "log", "nticks": _TICKS}
    texts = [f"{value:g}".replace("e-0", "e-").replace("e+0", "e") for value in values]
    return {"type": "log", "tickvals": values, "ticktext": texts}


def _finite(value: Any) -> Any:
    """The same value with None where a number is not finite."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and value - value != 0 else value
