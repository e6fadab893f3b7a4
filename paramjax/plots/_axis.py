"""One hyperparameter as an axis: numbers, or categories side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from paramjax._checks import nearest
from paramjax._format import number
from paramjax.plots._style import words
from paramjax.populations._trial_run import Record
from paramjax.space._choice import Choice
from paramjax.space._conditional import unconditional
from paramjax.space._distribution import Space
from paramjax.space._rounding import same
from paramjax.tuning._frame import labels, place_of

_FIRST = "learning_rate"
SPREAD = 0.22
"""How far, at most, trials of one category are set apart to either side."""


class Axis(NamedTuple):
    """A hyperparameter as an axis.

    Attributes:
        name: Of the hyperparameter.
        log: Whether it belongs on a logarithmic axis.
        low: Where it starts; -0.5 with categories.
        high: Where it ends.
        options: What its categories are, None where it is a number.
        ordered: Whether the categories are numbers.
    """

    name: str
    log: bool
    low: float
    high: float
    options: tuple[Any, ...] | None = None
    ordered: bool = False

    @property
    def texts(self) -> list[str]:
        """The names of its categories."""
        return labels(self.options or ())

    def place(self, value: Any) -> float:
        """Where a value is: a number at itself, an option at its place."""
        return float(value if self.options is None else place_of(value, self.options))


def axes_of(space: Space, records: Sequence[Record]) -> dict[str, Axis]:
    """An axis for each hyperparameter.

    A choice is one of categories, of numbers too, which are sorted. So is what somebody's own
    distribution draws, if it draws other things than numbers.

    Args:
        space: Name -> distribution.
        records: What was tried, for the range.

    Returns:
        Name -> its axis, in the order of the space.

    Example:
        >>> from paramjax import choice, uniform
        >>> axes = axes_of({"rate": uniform(0.0, 2.0), "width": choice([64, 32])}, [])
        >>> axes["rate"].high, axes["width"].options
        (2.0, (32, 64))
    """
    return {name: _axis(space, name, records) for name in space}


def chosen(axes: dict[str, Axis], name: str | None) -> Axis | None:
    """The hyperparameter to draw a metric against.

    Args:
        axes: Those there are.
        name: Which, or None for the learning rate, else the first number on a logarithmic axis,
            else the first number, else the first of all.

    Returns:
        Its axis, None if there is no hyperparameter.

    Raises:
        ValueError: For an unknown name, with the nearest known ones.

    Example:
        >>> chosen({"b1": Axis("b1", False, 0, 1), "decay": Axis("decay", True, 1, 2)}, None).name
        'decay'
    """
    if name is not None:
        if name not in axes:
            raise ValueError(nearest(name, axes, what="hyperparameter"))
        return axes[name]
    return next(iter(by_interest(axes)), None)


def by_interest(axes: dict[str, Axis]) -> list[Axis]:
    """Those with numbers first, the learning rate and logarithmic ones before others."""

    def rank(axis: Axis) -> tuple[bool, bool, bool]:
        return axis.options is not None, axis.name != _FIRST, not axis.log

    return sorted(axes.values(), key=rank)


def spread(axis: Axis, trials: Sequence[tuple[int, Any]]) -> dict[int, float]:
    """Where trials are on an axis, those of one category side by side.

    Args:
        axis: A hyperparameter.
        trials: Numbers and values, in the order in which those of a category are set out.

    Returns:
        Trial -> place.

    Example:
        >>> spread(Axis("chain", False, -0.5, 0.5, ("adam",)), [(4, "adam"), (7, "adam")])
        {4: -0.22, 7: 0.22}
    """
    places = {trial: axis.place(value) for trial, value in trials}
    if axis.options is None:
        return places
    for option in set(places.values()):
        own = [trial for trial, place in places.items() if place == option]
        shifts = np.linspace(-SPREAD, SPREAD, len(own)) if len(own) > 1 else np.zeros(1)
        places |= {trial: option + shift for trial, shift in zip(own, shifts.tolist(), strict=True)}
    return places


def ticks(axis: Axis, most: int = 5) -> list[tuple[float, str]]:
    """Where an axis of numbers or categories is labelled, and how.

    Args:
        axis: A hyperparameter.
        most: About how many labels.

    Returns:
        Places and texts.

    Example:
        >>> [place for place, _ in ticks(Axis("rate", True, 0.1, 10.0))]
        [0.1, 1.0, 10.0]
    """
    from matplotlib.ticker import LogLocator, MaxNLocator

    if axis.options is not None:
        stride = -(-len(axis.options) // (3 * most))
        return [(float(p), words(t)) for p, t in enumerate(axis.texts)][::stride]
    kinds = [LogLocator(subs=subs, numticks=most) for subs in ((1.0,), (1.0, 2.0, 5.0))]
    evenly = MaxNLocator(most, steps=[1, 2, 5, 10])
    for locator in [*kinds, evenly] if axis.log else [evenly]:
        values = [v for v in map(float, locator.tick_values(axis.low, axis.high)) if _on(axis, v)]
        if len(values) > 1:
            break
    return [(value, number(value)) for value in values]


def _on(axis: Axis, value: float) -> bool:
    """Whether a value is on an axis, but for the rounding of its ends."""
    slack = 1e-6 * (axis.low if axis.log else axis.high - axis.low)
    return axis.low - slack <= value <= axis.high + slack


def _axis(space: Space, name: str, records: Sequence[Record]) -> Axis:
    drawn = unconditional(space[name])
    seen = [r.hyperparameters[name] for r in records if name in r.hyperparameters]
    if isinstance(drawn, Choice):
        return _categories(name, drawn.options)
    ends = [drawn.quantile(0.0), drawn.quantile(1.0)]
    if not all(map(_is_number, [*seen, *ends])):
        options: list[Any] = []
        for value in [*ends, *seen]:
            options += [] if any(same(value, known) for known in options) else [value]
        return _categories(name, tuple(options))
    low, high = float(min([*seen, *ends])), float(max([*seen, *ends]))
    room = 0.0 if low < high else abs(low) / 10 or 1.0
    return Axis(name, drawn.logarithmic and low > 0, low - room, high + room)


def _categories(name: str, options: tuple[Any, ...]) -> Axis:
    ordered = all(map(_is_number, options))
    options = tuple(sorted(options)) if ordered else options
    return Axis(name, False, -0.5, len(options) - 0.5, options, ordered)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
