"""The main figures of a population on one page."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from paramjax._format import number
from paramjax.plots._axis import Axis, axes_of, by_interest
from paramjax.plots._learning_curves import learning_curves
from paramjax.plots._learning_rate_curve import learning_rate_curve
from paramjax.plots._records import Distribution, Scores, TrainingRecord, score_trials
from paramjax.plots._shown_figure import shown_figure
from paramjax.plots._style import legend_rows, set_title, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 3
_LINE_LENGTH = 130


def overview(
    records: Sequence[TrainingRecord],
    space: Mapping[str, Distribution],
    metric: str = "loss",
    *,
    history: Mapping[str, np.ndarray] | None = None,
    maximise: bool = False,
    path: str | Path | None = None,
) -> Figure:
    """Draw the learning-rate curve, the learning curves, and each other number, on one page.

    Args:
        records: The trainings, such as `result.records`.
        space: Hyperparameter name -> distribution, such as `result.space`.
        metric: A name among the records' metrics.
        history: Training metric -> [trainings, steps], such as `result.history`, for metrics
            that were not evaluated along the way.
        maximise: Whether larger is better.
        path: A file to save the figure to, whose suffix is the format; None saves nothing.

    Returns:
        The figure.

    Raises:
        ModuleNotFoundError: If matplotlib is missing.
        OSError: If the file cannot be written.
        ValueError: If the metric is unknown, with the nearest known ones, or the format.

    Example:
        >>> import paramjax as pj
        >>> curve = {"step": [1, 2], "train_loss": [4.0, 1.0]}
        >>> metrics, hyperparameters = {"loss": 1.0}, {"rate": 0.1}
        >>> records = [
        ...     pj.populations.Record(0, 0, hyperparameters, "finished", None, metrics, curve, 2)
        ... ]
        >>> figure = overview(records, {"rate": pj.log_uniform(1e-3, 1.0)})
        >>> [ax.get_title(loc="left") for ax in figure.axes]
        ['loss against rate', 'learning curves']
    """
    scores = score_trials(records, metric, maximise=maximise)
    axes = axes_of(space, records)
    others = [axis.name for axis in by_interest(axes)[1:] if axis.options is None]
    heights = [3.9, *[3.2] * -(-len(others) // _COLUMNS)]
    page = shown_figure(12.0, sum(heights) + 0.7)
    page.get_layout_engine().set(h_pad=0.12, w_pad=0.12)  # type: ignore[union-attr, call-arg]
    rows = page.add_gridspec(len(heights), 2 * _COLUMNS, height_ratios=heights)
    above = [page.add_subplot(rows[0, :_COLUMNS]), page.add_subplot(rows[0, _COLUMNS:])]
    learning_rate_curve(records, space, above[0], metric, maximise=maximise)
    learning_curves(records, above[1], metric, history=history, maximise=maximise)
    for ax in above:  # titles at one height
        set_title(ax, ax.get_title(loc="left"), max(map(legend_rows, above)))
    for index, name in enumerate(others):
        row, column = divmod(index, _COLUMNS)
        ax = page.add_subplot(rows[1 + row, 2 * column : 2 * column + 2])
        learning_rate_curve(records, space, ax, metric, maximise=maximise, name=name)
        legend = ax.get_legend()
        if legend is not None:  # the marks are those of the first panel
            legend.remove()
        set_title(ax, ax.get_title(loc="left"), 0)
    lines = textwrap.wrap(words(headline(scores, axes)), _LINE_LENGTH)
    page.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=12)
    if path is not None:
        page.savefig(path, dpi=150)
    return page


def headline(scores: Scores, axes: Mapping[str, Axis]) -> str:
    """How much was trained, and the best trial; no line may break within a hyperparameter."""
    trials, trainings = len(scores.trials), len(scores.records)
    size = f"{trials} trial{'s' * (trials > 1)}"
    size += f", {trainings} trainings" if trainings > trials else ""
    if scores.best is None:
        return f"{size}: no trial with a finite {scores.metric}"
    settings = [
        f"{name} = {axes[name].text(value)}".replace("_", " ").replace(" ", "\N{NO-BREAK SPACE}")
        for name, value in scores.best.hyperparameters.items()
    ]
    best = f"best {scores.metric} {number(scores.best.value)} in trial {scores.best.trial}"
    return f"{size}: {best} with {', '.join(settings)}"
