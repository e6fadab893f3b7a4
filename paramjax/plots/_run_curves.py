"""Learning curves of a single run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from paramjax.plots._learning_curves import thinned
from paramjax.plots._shown_figure import shown_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINTS = 1000
_LOG_RATIO = 20
"""Ratio of the largest to the smallest positive value from which the axis is logarithmic."""


def run_curves(
    history: Mapping[str, np.ndarray], validation: Mapping[str, np.ndarray] | None = None
) -> Figure:
    """Draw the loss, and every metric that was validated, against the steps.

    Args:
        history: Metric name -> one value for each step, [steps, ...], such as `fit.history`; those
            of a long run are drawn as at most 1000 means over consecutive steps.
        validation: `step`, the steps done, and metric name -> values, [validations], such as
            `fit.validation`.

    Returns:
        A figure with one panel for each metric.

    Raises:
        ModuleNotFoundError: If matplotlib is missing.

    Example:
        >>> figure = run_curves({"loss": np.array([4.0, 2.0, 1.0])})
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['loss']
    """
    validation = validation or {}
    names = ["loss", *(name for name in validation if name not in ("loss", "step"))]
    figure = shown_figure(5.5 * len(names), 4)
    for column, name in enumerate(names, 1):
        _draw(figure.add_subplot(1, len(names), column), history, validation, name)
    return figure


def _draw(
    ax: Axes, history: Mapping[str, np.ndarray], validation: Mapping[str, np.ndarray], name: str
) -> None:
    """One metric in training and in validation."""
    shown = [np.zeros(0)]
    trained = history.get(name, np.zeros(0))
    if trained.ndim == 1 and trained.size:
        steps, means = thinned(trained[None], _POINTS)
        ax.plot(steps, means[0], color="0.55", linewidth=1, label="training")
        shown.append(means[0])
    if name in validation:
        values = validation[name]
        ax.plot(validation["step"], values, "o-", color="C0", markersize=3, label="validation")
        shown.append(values)
    values = np.concatenate(shown)
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0 and values.max() > _LOG_RATIO * values.min():
        ax.set_yscale("log")
    ax.set(xlabel="step", ylabel=name)
    ax.grid(alpha=0.3)
    if len(ax.lines) > 1:
        ax.legend()
