"""Panels of an estimate: the fitted curve, residuals, profiles, correlations of the estimates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from paramjax._format import printable
from paramjax.plots._shown_figure import shown_figure
from paramjax.plots._style import BEST, MANY, opacity, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Band = tuple[ArrayLike, ArrayLike]
"""Lower and upper ends, [m] each."""

_DOTS = "#0072B2"
_SHADE = "#F8DDCC"
_QUIET = "0.45"
_POINTS = 5000
"""Dots of a panel at most: of more rows, that many at even distances are drawn."""

_BINS, _IN_A_BIN = 15, 10
"""Groups of a running median at most, and rows of each at least."""

_WRITTEN = 8
"""Parameters up to which each correlation is written into its cell."""

_NAMED = 40
_NAME = 16
"""Characters of a name at most."""


def panel_figure(panels: Sequence[Callable[[Axes], object]]) -> Figure:
    """Draw panels side by side, at most three in a row.

    Args:
        panels: Functions that draw on axes, at least one.

    Returns:
        The figure.

    Raises:
        ModuleNotFoundError: If matplotlib is missing.
        ValueError: If there is no panel.

    Example:
        >>> figure = panel_figure([lambda ax: residual_scatter(ax, [0.5, -0.5])])
        >>> len(figure.axes)
        1
    """
    if not panels:
        raise ValueError("panel_figure: expected at least one panel, got none")
    columns = 2 if len(panels) in (2, 4) else min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = shown_figure(5.2 * columns, 3.9 * rows)
    for place, draw in enumerate(panels, 1):
        draw(figure.add_subplot(rows, columns, place))
    return figure


def fitted_curve(
    ax: Axes, x: ArrayLike, y: ArrayLike, grid: ArrayLike, mean: ArrayLike, *,
    band: Band | None = None, observation_band: Band | None = None, level: float = 0.95,
    labels: tuple[str, str] = ("x", "y"),
) -> Axes:  # fmt: skip
    """Draw observations, the fitted curve, and its bands.

    Args:
        ax: The axes to draw on.
        x: Input of each observation, [n].
        y: The observations, [n].
        grid: Inputs of the curve in rising order, [m].
        mean: The curve, [m].
        band: Of the mean, a shade around the curve.
        observation_band: Of a new observation, two dashed lines.
        level: Of the bands, for the legend.
        labels: Of both axes.

    Returns:
        The axes.

    Raises:
        ValueError: If lengths differ.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = fitted_curve(Figure().add_subplot(), [0, 1, 2], [0, 1, 3], [0, 2], [0.0, 3.0])
        >>> ax.get_xlabel()
        'x'
    """
    x, y, grid, mean = (np.asarray(values, np.float64) for values in (x, y, grid, mean))
    _same_length("fitted_curve", x=x, y=y)
    _same_length("fitted_curve", grid=grid, mean=mean)
    percent = f"{100 * level:.4g} %"
    _dots(ax, x, y, label="data")
    if observation_band is not None:
        for end, label in zip(observation_band, (f"{percent} of observations", None), strict=True):
            ax.plot(grid, np.asarray(end), color=_QUIET, linewidth=1, linestyle=(0, (4, 3)),
                    label=label)  # fmt: skip
    if band is not None:
        low, high = (np.asarray(end, np.float64) for end in band)
        ax.fill_between(grid, low, high, color=_SHADE, linewidth=0, zorder=1,
                        label=f"{percent} of the curve")  # fmt: skip
    ax.plot(grid, mean, color=BEST, linewidth=1.6, label="fit")
    ax.set(xlabel=_text(labels[0]), ylabel=_text(labels[1]))
    tidy(ax, "Fit")
    return ax


def residual_scatter(
    ax: Axes, residuals: ArrayLike, fitted: ArrayLike | None = None, label: str = "fitted value"
) -> Axes:
    """Draw residuals against what was fitted, and the median of their neighbours.

    Args:
        ax: The axes to draw on.
        residuals: Of each observation, [n].
        fitted: What to draw them against, [n]; None takes the number of the row.
        label: Of the horizontal axis.

    Returns:
        The axes.

    Raises:
        ValueError: If lengths differ.

    Example:
        >>> from matplotlib.figure import Figure
        >>> residual_scatter(Figure().add_subplot(), [0.5, -0.5]).get_xlabel()
        'row'
    """
    residuals = np.asarray(residuals, np.float64)
    if fitted is None:
        fitted, label = np.arange(len(residuals)), "row"
    fitted = np.asarray(fitted, np.float64)
    _same_length("residual_scatter", fitted=fitted, residuals=residuals)
    ax.axhline(0.0, color=_QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    _dots(ax, fitted, residuals)
    if (bins := min(_BINS, len(residuals) // _IN_A_BIN)) > 2:
        groups = np.array_split(np.argsort(fitted, kind="stable"), bins)
        medians = np.array([[np.median(v[group]) for group in groups] for v in (fitted, residuals)])
        ax.plot(*medians, color=BEST, linewidth=1.4, label="running median")
    ax.set(xlabel=_text(label), ylabel="residual")
    tidy(ax, "Residuals")
    return ax


def residual_quantiles(ax: Axes, residuals: ArrayLike) -> Axes:
    """Draw the quantiles of residuals against those of a normal distribution.

    The shade holds each ordered residual of a normal sample with 95 %: the i-th of n uniform ones
    follows a beta distribution of i and n + 1 - i.

    Args:
        ax: The axes to draw on.
        residuals: Of each observation, [n]; they are standardised by mean and deviation.

    Returns:
        The axes.

    Example:
        >>> from matplotlib.figure import Figure
        >>> residual_quantiles(Figure().add_subplot(), [-1.0, 0.2, 0.8]).get_xlabel()
        'normal quantile'
    """
    residuals = np.asarray(residuals, np.float64)
    count = len(residuals)
    spread = residuals.std() or 1.0
    ordered = np.sort((residuals - residuals.mean()) / spread)
    rank = np.arange(1, count + 1)
    expected = special.ndtri((rank - 0.5) / count)
    ends = [special.ndtri(special.betaincinv(rank, count + 1 - rank, p)) for p in (0.025, 0.975)]
    ax.fill_between(expected, *ends, color="0.88", linewidth=0, label="95 % if normal")
    ax.plot(expected, expected, color=_QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    _dots(ax, expected, ordered)
    ax.set(xlabel="normal quantile", ylabel="standardised residual")
    tidy(ax, "Residual quantiles")
    return ax


def profile_curve(
    ax: Axes, values: ArrayLike, drops: ArrayLike, *, name: str, threshold: float,
    interval: tuple[float, float], wald: tuple[float, float], level: float = 0.95,
) -> Axes:  # fmt: skip
    """Draw how far the best fit worsens as one parameter is held at other values.

    Args:
        ax: The axes to draw on.
        values: At which the parameter is held, [m].
        drops: Twice the drop of the log likelihood, or what stands for it in least squares, [m].
        name: Of the parameter.
        threshold: The drop at which the interval ends.
        interval: Its ends; NaN or infinite where the curve does not reach the threshold.
        wald: Estimate and standard error, for the parabola that Wald's interval rests on.
        level: Of the interval.

    Returns:
        The axes.

    Raises:
        ValueError: If lengths differ.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = profile_curve(
        ...     Figure().add_subplot(), [1.0, 2.0, 3.0], [4.0, 0.0, 5.0], name="b1",
        ...     threshold=3.84, interval=(1.1, 2.8), wald=(2.0, 0.45),
        ... )
        >>> ax.get_xlabel()
        'b1'
    """
    values, drops = np.asarray(values, np.float64), np.asarray(drops, np.float64)
    _same_length("profile_curve", values=values, drops=drops)
    order = np.argsort(values)
    values, drops = values[order], drops[order]
    low, high = (end if math.isfinite(end) else edge
                 for end, edge in zip(interval, values[[0, -1]], strict=True))  # fmt: skip
    ax.axvspan(low, high, color=_SHADE, linewidth=0, label=f"{100 * level:.4g} %")
    ax.axhline(threshold, color=_QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    estimate, error = wald
    ax.plot(values, drops, color=BEST, linewidth=1.6, label="profile")
    if math.isfinite(error) and error > 0:
        grid = np.linspace(values[0], values[-1], 200)
        ax.plot(grid, ((grid - estimate) / error) ** 2, color=_QUIET, linewidth=1, label="Wald",
                linestyle=(0, (1, 1.5)), zorder=1)  # fmt: skip
    ax.axvline(estimate, color=BEST, linewidth=0.8)
    top = max(threshold, float(np.nanmax(np.where(np.isfinite(drops), drops, np.nan))))
    ax.set_ylim(0.0, 1.08 * top)
    ax.set(xlabel=_text(name), ylabel="squared deviation")
    tidy(ax, "Profile")
    return ax


def correlation_matrix(ax: Axes, names: Sequence[str], correlation: ArrayLike) -> Axes:
    """Draw correlations of estimates as colours, up to eight parameters with their numbers.

    Args:
        ax: The axes to draw on.
        names: Of the parameters, [p].
        correlation: In [-1, 1], float[p, p]; NaN is hatched.

    Returns:
        The axes.

    Raises:
        ValueError: If it is not a square of that many names.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = correlation_matrix(Figure().add_subplot(), ["a", "b"], [[1, -0.9], [-0.9, 1]])
        >>> [text.get_text() for text in ax.texts]
        ['1', '-0.90', '-0.90', '1']
    """
    correlation = np.asarray(correlation, np.float64)
    if correlation.shape != (len(names), len(names)):
        raise ValueError(
            f"correlation_matrix: expected [{len(names)}, {len(names)}] for {len(names)} names, "
            f"got {list(correlation.shape)}"
        )
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("correlation", [_DOTS, "white", BEST])
    ax.set_facecolor("0.85")
    image = ax.imshow(np.ma.masked_invalid(correlation), cmap=colours, vmin=-1, vmax=1)
    if len(names) <= _WRITTEN:
        for (row, column), value in np.ndenumerate(correlation):
            colour = "white" if abs(value) > 0.75 else "black"
            size = 8.5 if len(names) <= 5 else 7
            ax.text(column, row, _correlation_text(float(value)), ha="center", va="center",
                    fontsize=size, color=colour)  # fmt: skip
    page = ax.get_figure()
    if page is not None:
        bar = page.colorbar(image, ax=ax, shrink=0.8, ticks=[-1, -0.5, 0, 0.5, 1])
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8, length=0)
    tidy(ax, "Correlation of the estimates")
    _name_cells(ax, names)
    return ax


def _correlation_text(value: float) -> str:
    """Two decimals; four where two would say that it is one."""
    if not math.isfinite(value):
        return "NaN"
    if math.isclose(abs(value), 1.0):
        return f"{value:.0f}"
    return f"{value:.4f}" if abs(value) > 0.995 else f"{value:.2f}"


def estimate_intervals(
    ax: Axes, names: Sequence[str], values: ArrayLike, low: ArrayLike, high: ArrayLike, *,
    level: float = 0.95,
) -> Axes:  # fmt: skip
    """Draw each estimate with its interval, the first one on top.

    Args:
        ax: The axes to draw on.
        names: Of the parameters, [p].
        values: The estimates, [p].
        low: Lower ends, [p]; NaN draws none.
        high: Upper ends, [p].
        level: Of the intervals, for the label.

    Returns:
        The axes.

    Raises:
        ValueError: If lengths differ.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = estimate_intervals(Figure().add_subplot(), ["a", "b"], [1, 2], [0, 1], [2, 3])
        >>> [text.get_text() for text in ax.get_yticklabels()]
        ['a', 'b']
    """
    values, low, high = (np.asarray(column, np.float64) for column in (values, low, high))
    _same_length("estimate_intervals", values=values, names=np.asarray(names))
    _same_length("estimate_intervals", low=low, high=high)
    places = np.arange(len(names))
    ax.axvline(0.0, color=_QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    ax.hlines(places, low, high, color=_DOTS, linewidth=2 if len(names) <= _NAMED else 0.8)
    ax.scatter(values, places, s=26 if len(names) <= _NAMED else 4, color=_DOTS, zorder=3)
    ax.set_ylim(len(names) - 0.4, -0.6)
    if len(names) <= _NAMED:
        size = 9 if len(names) <= 12 else 6.5
        ax.set_yticks(places, [_text(name) for name in names], fontsize=size)
        ax.tick_params(axis="y", length=0)
    ax.set_xlabel(f"estimate and interval, {100 * level:.4g} %")
    tidy(ax, "Estimates")
    ax.spines["left"].set_visible(False)
    return ax


def _name_cells(ax: Axes, names: Sequence[str]) -> None:
    if len(names) > _NAMED:
        ax.set_xlabel(f"{len(names)} parameters")
        return
    texts = [_text(name) for name in names]
    size = 9 if len(names) <= 12 else 6.5
    ax.set_yticks(range(len(names)), texts, fontsize=size)
    turned = sum(map(len, texts)) > 24
    ax.set_xticks(range(len(names)), texts, rotation=90 if turned else 0, fontsize=size)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _dots(ax: Axes, x: np.ndarray, y: np.ndarray, label: str | None = None) -> None:
    """A dot for each row; of very many rows, some at even distances."""
    shown = np.linspace(0, len(x) - 1, min(len(x), _POINTS)).astype(int)
    ax.scatter(
        x[shown], y[shown], s=18 if len(shown) <= MANY else 8, color=_DOTS, linewidths=0,
        alpha=opacity(len(shown)), rasterized=len(shown) > MANY, label=label, zorder=3,
    )  # fmt: skip


def _text(name: str) -> str:
    """A name as a label: in one line, not too long, without mathematics."""
    text = printable(name)
    half = (_NAME - 3) // 2
    text = text if len(text) <= _NAME else f"{text[: half + 1]}...{text[-half:]}"
    return text.replace("$", r"\$")


def _same_length(what: str, **arrays: np.ndarray) -> None:
    shapes = {name: list(array.shape) for name, array in arrays.items()}
    (first, one), (second, other) = shapes.items()
    if one != other or len(one) != 1:
        raise ValueError(
            f"{what}: expected {first} and {second} of one length, got {one} and {other}"
        )
