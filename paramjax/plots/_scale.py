"""The axis of a metric: from where to where, logarithmic or not, and where the lost are put."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DECADES = 2.0
_MARGIN = 0.05
_CLEAR = 0.03
STOPPED_SHARE = 2 / 3
"""Share of what was stopped early that must have a place: it was stopped for being bad."""
WORSE = "worse"
LANE = 0.09
"""Share of the axis that is set aside, at its bad end, for what has no place on it."""


class Scale(NamedTuple):
    """The axis of a metric.

    Attributes:
        low: Its lower end.
        high: Its upper end.
        log: Whether it is logarithmic.
        maximise: Whether larger is better, so that its lower end is the bad one.
        empty: Whether no value is finite, so that the ends mean nothing.
    """

    low: float
    high: float
    log: bool
    maximise: bool
    empty: bool = False

    def share(self, values: Any) -> np.ndarray:
        """How far along the axis values are, 0 at its lower end and 1 at its upper end."""
        low, high = self._straight(self.low), self._straight(self.high)
        return (self._straight(values) - low) / (high - low)

    def holds(self, values: Any) -> np.ndarray:
        """Whether values have a place on the axis, bool[...]."""
        values = np.asarray(values, float)
        return np.isfinite(values) & (values >= self.low) & (values <= self.high)

    @property
    def lane(self) -> float:
        """The height of what has no place, as a share of the axes with their lane."""
        return LANE / 2 if self.maximise else 1 - LANE / 2

    def _straight(self, values: Any) -> np.ndarray:
        values = np.asarray(values, float)
        if not self.log:
            return values
        return np.log10(values, out=np.full(values.shape, np.nan), where=values > 0)

    def _bent(self, value: float) -> float:
        return float(10.0**value) if self.log else float(value)


def scale_of(values: Any, fallback: Any = (), *, maximise: bool = False) -> Scale:
    """The axis that shows some values.

    It is logarithmic if a metric to be minimised is positive and spans more than two decades; one
    to be maximised, such as an accuracy, would be squeezed at its good end.

    Args:
        values: Those to be seen, [...]; the ones that are not finite are left out.
        fallback: Taken where none of them is finite.
        maximise: Whether larger is better.

    Returns:
        The axis, with a margin.

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
    start, end = float(ends._straight(low)), float(ends._straight(high))
    room = _MARGIN * (end - start)
    if room <= 1e-12 * max(abs(start), abs(end)):  # constant, but for rounding
        room = 0.1 * abs(start) or 1.0
    return ends._replace(low=ends._bent(start - room), high=ends._bent(end + room))


def usual(values: Any, share: float, *, maximise: bool) -> np.ndarray:
    """Some values without the worst of them, which would flatten all others.

    Args:
        values: [...].
        share: Of those that are kept, in (0, 1].
        maximise: Whether larger is better.

    Returns:
        The finite ones that remain, [values].

    Example:
        >>> usual([1.0, 2.0, 3.0, 1e9, float("nan")], 0.7, maximise=False).tolist()
        [1.0, 2.0, 3.0]
    """
    finite = _finite(values)
    if not finite.size:
        return finite
    sign = -1.0 if maximise else 1.0
    return finite[sign * finite <= np.quantile(sign * finite, share, method="inverted_cdf")]


def draw_scale(ax: Axes, scale: Scale, *, lane: bool) -> None:
    """Give the vertical axis of a panel its ends and ticks.

    Args:
        ax: Is changed.
        scale: From where to where.
        lane: Whether something is put into the lane at the bad end.
    """
    from matplotlib.patches import Rectangle

    ax.set_yscale("log" if scale.log else "linear")
    low, high = float(scale._straight(scale.low)), float(scale._straight(scale.high))
    extra = (high - low) * LANE / (1 - LANE) if lane else 0.0
    ends = (low - extra, high) if scale.maximise else (low, high + extra)
    ax.set_ylim(scale._bent(ends[0]), scale._bent(ends[1]))
    ax.grid(axis="y", color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    if scale.empty:
        ax.set_yticks([])
    elif lane:
        # a tick within the lane would give a value to what has none, one at its edge crowd its name
        for minor in (False, True):
            places = [t for t in ax.get_yticks(minor=minor) if scale.holds(t)]
            edge = 0.0 if scale.maximise else 1.0
            clear = [t for t in places if minor or abs(scale.share(t) - edge) > _CLEAR]
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
    values = np.asarray(values, float).ravel()
    return values[np.isfinite(values)]
