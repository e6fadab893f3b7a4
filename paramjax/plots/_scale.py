"""The axis of a metric: its ends, whether it is logarithmic, and the lane at its bad end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DECADES = 2.0
_MARGIN = 0.05
_CLEAR = 0.03
STOPPED_SHARE = 2 / 3
"""Share of the values stopped early that the axis must hold: they were stopped for being bad."""
WORSE = "worse"
LANE = 0.09
"""Share of the panel, at the bad end of its axis, for values beyond the axis."""


class Scale(NamedTuple):
    """The axis of a metric.

    Attributes:
        low: Its lower end.
        high: Its upper end.
        log: Whether it is logarithmic.
        maximise: Whether larger is better, so that the lower end is the bad one.
        empty: Whether no value is finite, so that the ends have no meaning.
    """

    low: float
    high: float
    log: bool
    maximise: bool
    empty: bool = False

    def share(self, values: Any) -> np.ndarray:
        """Positions of values, 0 at the lower end and 1 at the upper end."""
        low, high = self.linear(self.low), self.linear(self.high)
        return np.asarray((self.linear(values) - low) / (high - low))

    def holds(self, values: Any) -> np.ndarray:
        """Whether values are finite and within the ends, bool[...]."""
        array = np.asarray(values, float)
        return np.asarray(np.isfinite(array) & (array >= self.low) & (array <= self.high))

    @property
    def lane(self) -> float:
        """The height of values beyond the axis, as a share of the panel."""
        return LANE / 2 if self.maximise else 1 - LANE / 2

    def linear(self, values: Any) -> np.ndarray:
        """Values, or their decimal logarithms on a logarithmic axis; NaN for a missing value."""
        array = np.asarray(values, float)
        if not self.log:
            return array
        return np.asarray(np.log10(array, out=np.full(array.shape, np.nan), where=array > 0))

    def _from_linear(self, value: float) -> float:
        return float(10.0**value) if self.log else float(value)


def scale_of(values: Any, fallback: Any = (), *, maximise: bool = False) -> Scale:
    """The axis, with a margin, for the finite values, or for the fallback without any.

    It is logarithmic if a metric to be minimised is positive and spans more than two decades; one
    to be maximised, such as an accuracy, would be squeezed at its good end.

    Example:
        >>> scale_of([0.01, 2.0, float("inf")]).log, scale_of([1.0, 2.0]).log
        (True, False)
    """
    known = _finite(values)
    known = known if known.size else _finite(fallback)
    if not known.size:
        return Scale(0.0, 1.0, False, maximise, empty=True)
    low, high = float(known.min()), float(known.max())
    log = not maximise and low > 0 and np.log10(high) - np.log10(low) > _DECADES
    ends = Scale(low, high, bool(log), maximise)
    start, end = float(ends.linear(low)), float(ends.linear(high))
    room = _MARGIN * (end - start)
    if room <= 1e-12 * max(abs(start), abs(end)):  # constant, but for rounding
        room = 0.1 * abs(start) or 1.0
    return ends._replace(low=ends._from_linear(start - room), high=ends._from_linear(end + room))


def usual(values: Any, share: float, *, maximise: bool) -> np.ndarray:
    """The better share of the finite values; the rest would flatten all others.

    Example:
        >>> usual([1.0, 2.0, 3.0, 1e9, float("nan")], 0.7, maximise=False).tolist()
        [1.0, 2.0, 3.0]
    """
    finite = _finite(values)
    if not finite.size:
        return finite
    sign = -1.0 if maximise else 1.0
    return finite[sign * finite <= np.quantile(sign * finite, share, method="inverted_cdf")]


def no_worse(values: Any, others: Any, *, maximise: bool) -> np.ndarray:
    """The finite values no worse than the worst of the others; without others the better part.

    Example:
        >>> no_worse([1.0, 2.0, 1e9], [2.5, 0.5], maximise=False).tolist()
        [1.0, 2.0]
    """
    finite, known = _finite(values), _finite(others)
    if not known.size:
        return usual(finite, STOPPED_SHARE, maximise=maximise)
    held = finite >= known.min() if maximise else finite <= known.max()
    return np.asarray(finite[held])


def draw_scale(ax: Axes, scale: Scale, *, lane: bool) -> None:
    """Set ends and ticks of the vertical axis of a panel, and its lane if there is one."""
    from matplotlib.patches import Rectangle

    ax.set_yscale("log" if scale.log else "linear")
    low, high = float(scale.linear(scale.low)), float(scale.linear(scale.high))
    extra = (high - low) * LANE / (1 - LANE) if lane else 0.0
    ends = (low - extra, high) if scale.maximise else (low, high + extra)
    ax.set_ylim(scale._from_linear(ends[0]), scale._from_linear(ends[1]))
    ax.grid(axis="y", color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    if scale.empty:
        ax.set_yticks([])
    elif lane:
        # a tick in the lane would suggest a value, and one at its edge would touch its name
        edge = 0.0 if scale.maximise else 1.0
        for minor in (False, True):
            held = [tick for tick in ax.get_yticks(minor=minor) if scale.holds(tick)]
            clear = [tick for tick in held if minor or abs(scale.share(tick) - edge) > _CLEAR]
            ax.set_yticks(clear, minor=minor)
    if lane:
        ax.text(
            -0.01, scale.lane, WORSE, transform=ax.transAxes, ha="right", va="center",
            fontsize=8.5, style="italic",
        )  # fmt: skip
        bottom = 0.0 if scale.maximise else 1 - LANE
        ax.add_patch(
            Rectangle((0, bottom), 1, LANE, transform=ax.transAxes, color="0.94", zorder=0.6)
        )


def _finite(values: Any) -> np.ndarray:
    array = np.asarray(values, float).ravel()
    return np.asarray(array[np.isfinite(array)])
