"""What all figures share: colours, opacity, and texts."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from paramjax._status import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEST = "#D55E00"
COLOURS = {
    Status.FINISHED: "#0072B2",
    Status.WORSENED: "#56B4E9",
    Status.STOPPED: "#9A9A9A",
    Status.DIVERGED: "#3A3A3A",
}
"""Vermilion, blues and greys of Okabe and Ito (2008, Color universal design)."""

MANY = 400
"""Number of marks from which a vector file holds them as pixels."""

_LEGEND_COLUMNS = 4


def opacity(count: int) -> float:
    """The opacity at which overlapping marks can still be told apart.

    Example:
        >>> opacity(1), opacity(10**6)
        (0.85, 0.12)
    """
    return min(0.85, max(0.12, 6 / math.sqrt(count + 1)))


def words(name: str) -> str:
    """A name as a matplotlib label, in which a dollar would start mathematics.

    Example:
        >>> words("learning_rate")
        'learning rate'
    """
    return name.replace("_", " ").replace("$", r"\$")


def plotly_text(text: str) -> str:
    """A text for plotly, which reads tags and entities in names, titles and hovers.

    Example:
        >>> plotly_text("mine.py:<b>x</b>")
        'mine.py:&lt;b&gt;x&lt;/b&gt;'
    """
    return html.escape(text, quote=False)


def tidy(ax: Axes, title: str, columns: int = _LEGEND_COLUMNS) -> None:
    """Set a quiet frame, and the title above the legend."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=9)
    ax.xaxis.label.set_fontsize(10)
    ax.yaxis.label.set_fontsize(10)
    handles, texts = ax.get_legend_handles_labels()
    if handles:
        legend = ax.legend(
            handles, texts, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns,
            frameon=False, fontsize=8.5, borderaxespad=0.4, borderpad=0.0, handletextpad=0.4,
            columnspacing=1.1, handlelength=1.5,
        )  # fmt: skip
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1.0)
    set_title(ax, title, legend_rows(ax, columns))


def legend_rows(ax: Axes, columns: int = _LEGEND_COLUMNS) -> int:
    """The number of rows in the legend above a panel."""
    legend = ax.get_legend()
    return 0 if legend is None else -(-len(legend.get_texts()) // columns)


def set_title(ax: Axes, title: str, rows: int) -> None:
    """Set the title of a panel above the rows of its legend."""
    ax.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=8 + 16 * rows)
