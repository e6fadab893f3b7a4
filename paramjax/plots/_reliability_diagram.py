"""The reliability diagram: whether predicted probabilities are those that come true."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from scipy import special

from paramjax.plots._style import tidy, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito (2008, Color universal design)."""
_MARKS = "osD^vP"
_LANE = 0.2
"""Height of the lane of row counts, as a share of the axis of accuracy above it."""


class CalibrationRecord(Protocol):
    """What is drawn of a model, such as `pj.metrics.calibration_curve(logits, labels)`."""

    @property
    def confidence(self) -> Any:
        """Mean predicted probability of each bin, [bins]; NaN in an empty one."""

    @property
    def accuracy(self) -> Any:
        """Share of rows predicted right, [bins]; NaN in an empty bin."""

    @property
    def weight(self) -> Any:
        """Rows in the bin, [bins]."""


class _Curve(NamedTuple):
    """The bins of a model that have rows."""

    name: str
    confidence: np.ndarray
    accuracy: np.ndarray
    weight: np.ndarray
    low: np.ndarray  # of the interval of the accuracy
    high: np.ndarray
    colour: str
    mark: str

    @property
    def error(self) -> float:
        """Expected calibration error."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float((self.weight * gaps).sum() / self.weight.sum())


def reliability_diagram(
    curves: CalibrationRecord | Mapping[str, CalibrationRecord],
    ax: Axes,
    *,
    level: float = 0.95,
    title: str = "Reliability",
) -> Axes:
    """Draw accuracy against confidence, bin by bin, for one model or several.

    Beneath the diagonal a model is surer than it should be. Bars are Wilson intervals of the
    accuracy (Wilson, 1927), the area of a mark is the share of the rows in its bin, which the
    lane below shows once more, and the legend says the expected calibration error, ECE (Guo et al.,
    2017, On calibration of modern neural networks).

    Args:
        curves: `pj.metrics.calibration_curve(logits, labels)` of a model, or name -> curve.
        ax: The axes to draw on.
        level: Confidence of the intervals, in (0, 1).
        title: Of the panel.

    Returns:
        The axes.

    Raises:
        ValueError: If there is no curve, one has no rows or is not finite, shapes differ, or the
            level lies outside (0, 1).

    Example:
        >>> import jax.numpy as jnp
        >>> from matplotlib.figure import Figure
        >>> from paramjax.metrics import calibration_curve
        >>> curve = calibration_curve(jnp.array([0.0, 2.0, 2.0]), jnp.array([1, 1, 0]))
        >>> ax = reliability_diagram({"network": curve}, Figure().add_subplot())
        >>> ax.get_legend().get_texts()[0].get_text()
        'network: ECE 0.421'
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level: expected a number in (0, 1) such as 0.95, got {level!r}")
    named = curves if isinstance(curves, Mapping) else {"": curves}
    if not named:
        raise ValueError("curves: expected at least one calibration curve, got none")
    drawn = [_curve(name, own, index, level) for index, (name, own) in enumerate(named.items())]
    start = 0.5 if all((own.confidence >= 0.5).all() for own in drawn) else 0.0
    floor = start if all((own.low >= start).all() for own in drawn) else 0.0
    lane = _LANE * (1.0 - floor)
    ax.plot([start, 1], [start, 1], color="0.55", linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    for own in drawn:
        _draw(ax, own)
    _draw_lane(ax, drawn, floor, lane, 0.036 * (1.0 - start) / len(drawn))
    margin = 0.03 * (1.0 - start)
    ax.set_xlim(start - margin, 1.0 + margin)
    ax.set_ylim(floor - 1.1 * lane, 1.0 + 0.03 * (1.0 - floor))
    ax.set_yticks([tick for tick in np.linspace(0, 1, 6 if floor == 0 else 11) if tick >= floor])
    ax.grid(color="0.93", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set(xlabel="confidence: probability of the predicted class", ylabel="accuracy")
    tidy(ax, title, columns=2)
    return ax


def _curve(name: str, record: CalibrationRecord, index: int, level: float) -> _Curve:
    """The bins with rows, and the intervals of their accuracy."""
    own = [
        np.asarray(values, np.float64)
        for values in (record.confidence, record.accuracy, record.weight)
    ]
    which = f"curves: {name!r}" if name else "curves"
    if own[0].ndim != 1 or len({values.shape for values in own}) > 1:
        shapes = ", ".join(str(values.shape) for values in own)
        raise ValueError(
            f"{which}: expected confidence, accuracy and weight [bins], got shapes {shapes}"
        )
    full = own[2] != 0
    confidence, accuracy, weight = (values[full] for values in own)
    if not full.any() or not np.isfinite([confidence, accuracy, weight]).all():
        raise ValueError(
            f"{which}: expected finite numbers in at least one bin with rows, got "
            f"{'no row' if not full.any() else 'NaN'}; a logit or label is not valid, or there is "
            "no row"
        )
    low, high = _wilson(accuracy, weight, level)
    colour, mark = _COLOURS[index % len(_COLOURS)], _MARKS[index % len(_MARKS)]
    return _Curve(name, confidence, accuracy, weight, low, high, colour, mark)


def _wilson(share: np.ndarray, count: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The interval of a share of a count of rows by Wilson (1927), which stays within 0 and 1."""
    z = float(special.ndtri(0.5 + level / 2))
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    spread = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return centre - spread, centre + spread


def _draw(ax: Axes, own: _Curve) -> None:
    """Bars, a faint line, and marks whose area is the share of the rows; fainter where unsure."""
    sure = np.clip(1.1 - (own.high - own.low), 0.2, 1.0)
    ax.vlines(
        own.confidence, own.low, own.high, color=own.colour, alpha=0.55 * sure, linewidth=1.4,
        zorder=2,
    )  # fmt: skip
    for left, right in itertools.pairwise(range(len(sure))):
        ends = slice(left, right + 1)
        ax.plot(
            own.confidence[ends], own.accuracy[ends], color=own.colour, linewidth=1.2, zorder=2.5,
            alpha=0.45 * sure[ends].min(),
        )  # fmt: skip
    ax.scatter(
        own.confidence, own.accuracy, s=14 + 130 * own.weight / own.weight.sum(), marker=own.mark,
        color=own.colour, edgecolors="white", linewidths=0.7, zorder=3, alpha=sure,
    )  # fmt: skip
    error = f"ECE {own.error:.3f}"
    label = f"{words(own.name)}: {error}" if own.name else error
    ax.plot([], [], own.mark, color=own.colour, label=label)


def _draw_lane(ax: Axes, drawn: list[_Curve], floor: float, height: float, width: float) -> None:
    """The share of the rows at each confidence, beneath the accuracy."""
    base = floor - 1.05 * height
    most = max((own.weight / own.weight.sum()).max() for own in drawn)
    ax.axhline(floor - 0.02 * height, color="0.8", linewidth=0.8, zorder=1)
    for index, own in enumerate(drawn):
        x = own.confidence + width * (index - (len(drawn) - 1) / 2)
        share = own.weight / own.weight.sum() / most
        ax.bar(x, 0.86 * height * share, 0.9 * width, base, color=own.colour, zorder=2)
    ax.text(
        0.01, base + 0.5 * height, f"rows (tallest: {most:.0%})", va="center", fontsize=8,
        color="0.35", style="italic", transform=ax.get_yaxis_transform(),
    )  # fmt: skip
