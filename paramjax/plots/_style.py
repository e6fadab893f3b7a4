"""What every panel shares: colours, how faint many marks are, and texts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FINISHED_COLOUR = "#0072B2"
STOPPED_COLOUR = "#9A9A9A"
DIVERGED_COLOUR = "#3A3A3A"
BEST_COLOUR = "#D55E00"
"""Blue, greys and vermilion of Okabe and Ito (2008, Color universal design): told apart by all."""

SHADES = "viridis"
"""Its lightness rises evenly, so it reads in grey too."""

_A_ROW = 4
MANY = 400
"""Marks from which on a vector file holds them as pixels."""


def faintness(count: int, most: float = 0.85, least: float = 0.12) -> float:
    """The opacity at which so many marks are still told apart.

    Args:
        count: How many.
        most: For a few.
        least: For very many.

    Example:
        >>> faintness(1), faintness(10**6)
        (0.85, 0.12)
    """
    return min(most, max(least, 6 / math.sqrt(count + 1)))


def words(name: str) -> str:
    """A name as a label says it, no mathematics in it.

    Example:
        >>> words("learning_rate")
        'learning rate'
    """
    return name.replace("_", " ").replace("$", r"\$")


def tidy(ax: Axes, title: str) -> None:
    """A quiet frame, and the title above the legend.

    Args:
        ax: Is changed.
        title: As `words` writes it.
    """
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=9)
    ax.xaxis.label.set_fontsize(10)
    ax.yaxis.label.set_fontsize(10)
    handles, texts = ax.get_legend_handles_labels()
    if handles:
        legend = ax.legend(
            handles, texts, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=_A_ROW,
            frameon=False, fontsize=8.5, borderaxespad=0.4, borderpad=0.0, handletextpad=0.4,
            columnspacing=1.1, handlelength=1.5,
        )  # fmt: skip
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1.0)
    entitle(ax, title, legend_rows(ax))


def legend_rows(ax: Axes) -> int:
    """How many rows of a legend stand above a panel."""
    legend = ax.get_legend()
    return 0 if legend is None else -(-len(legend.get_texts()) // _A_ROW)


def entitle(ax: Axes, title: str, rows: int) -> None:
    """The title of a panel, above so many rows of its legend."""
    ax.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=8 + 16 * rows)
