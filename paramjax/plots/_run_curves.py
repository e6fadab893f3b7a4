"""Learning curves of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from paramjax._checks import needs_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from paramjax.runs._result import Fit

_POINTS = 1000
"""Points of a drawn curve at most; each is a mean, so that a long run is still a readable line."""

_SPREAD = 20
"""Ratio of the largest to the smallest positive value from which a logarithmic axis is used."""


def learning_curves(fit: Fit) -> Figure:
    """Draw the loss, and every metric that was validated, against the steps.

    Args:
        fit: The run.

    Returns:
        A figure with a panel for each.

    Raises:
        ModuleNotFoundError: Without matplotlib.
    """
    with needs_extra("bench"):
        from matplotlib.figure import Figure
    names = ["loss", *(name for name in fit.validation if name not in ("loss", "step"))]
    figure = Figure(figsize=(5.5 * len(names), 4), layout="constrained")
    for place, name in enumerate(names):
        _panel(figure.add_subplot(1, len(names), place + 1), fit, name)
    return figure


def _panel(axes: Axes, fit: Fit, name: str) -> None:
    trained = fit.history.get(name, np.zeros(0))
    if trained.ndim == 1 and trained.size:
        steps, values = thinned(trained)
        axes.plot(steps, values, color="0.55", linewidth=1, label="training")
    if name in fit.validation:
        steps, values = fit.validation["step"], fit.validation[name]
        axes.plot(steps, values, "o-", color="C0", markersize=3, label="validation")
    shown = [np.asarray(line.get_ydata(), float) for line in axes.lines]
    if _spans_magnitudes(np.concatenate(shown) if shown else np.zeros(0)):
        axes.set_yscale("log")
    axes.set(xlabel="step", ylabel=name)
    axes.grid(alpha=0.3)
    if len(axes.lines) > 1:
        axes.legend()


def thinned(values: np.ndarray, points: int = _POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Means over consecutive steps, few enough to draw.

    Args:
        values: One value a step, [steps].
        points: How many means at most, positive.

    Returns:
        The last step of each mean, from 1, and the means; one step a mean where that suffices.

    Example:
        >>> thinned(np.array([1.0, 3.0, 5.0]), points=2)
        (array([2, 3]), array([2., 5.]))
    """
    each = -(-len(values) // points)
    starts = np.arange(0, len(values), each)
    ends = np.minimum(starts + each, len(values))
    sums = np.add.reduceat(values.astype(np.float64), starts)
    return ends, sums / (ends - starts)


def _spans_magnitudes(values: np.ndarray) -> bool:
    """Whether all values are positive and far apart."""
    finite = values[np.isfinite(values)]
    return bool(finite.size and finite.min() > 0 and finite.max() > _SPREAD * finite.min())
