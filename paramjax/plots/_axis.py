"""One hyperparameter as an axis: of numbers, or of categories side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from paramjax._checks import nearest
from paramjax._format import number, option_names
from paramjax.plots._records import Distribution, TrainingRecord

SPREAD = 0.22
"""How far, at most, trials of one category are moved apart to either side."""

_FIRST = "learning_rate"
_TICKS = 6
_FINER = ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7))


class Axis(NamedTuple):
    """The axis of a hyperparameter or a metric.

    Attributes:
        name: Of the hyperparameter or metric.
        log: Whether the axis is logarithmic.
        low: Its lower end; -0.5 with categories.
        high: Its upper end.
        options: The categories, or None if values are numbers.
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
        return option_names(self.options or ())

    def position(self, value: Any) -> float:
        """A number itself, the index of an option."""
        if self.options is None:
            return float(value)
        return float(next(i for i, option in enumerate(self.options) if _same(option, value)))

    def text(self, value: Any) -> str:
        """A value as a label shows it."""
        if self.options is None or self.ordered:
            return number(value)
        return self.texts[int(self.position(value))]


def axes_of(
    space: Mapping[str, Distribution], records: Sequence[TrainingRecord]
) -> dict[str, Axis]:
    """An axis for each hyperparameter, in the order of the space.

    A choice has categories, which are sorted if they are numbers; so has a distribution of
    the user's own that draws anything but numbers.

    Example:
        >>> from paramjax import choice, uniform
        >>> axes = axes_of({"rate": uniform(0.0, 2.0), "width": choice([64, 32])}, [])
        >>> axes["rate"].high, axes["width"].options
        (2.0, (32, 64))
    """
    return {
        name: _axis(name, distribution, [
            record.hyperparameters[name] for record in records if name in record.hyperparameters
        ])
        for name, distribution in space.items()
    }  # fmt: skip


def select(axes: Mapping[str, Axis], name: str | None) -> Axis | None:
    """The axis of this name, or the most interesting one; None if there is no hyperparameter."""
    if name is not None and name not in axes:
        raise ValueError(nearest(name, axes, what="hyperparameter"))
    return axes[name] if name is not None else next(iter(by_interest(axes)), None)


def by_interest(axes: Mapping[str, Axis]) -> list[Axis]:
    """Numbers first, and among them the learning rate and logarithmic axes before others."""
    return sorted(axes.values(), key=lambda a: (a.options is not None, a.name != _FIRST, not a.log))


def spread(axis: Axis, values: Mapping[int, Any]) -> dict[int, float]:
    """Positions of trials on an axis, those of one category side by side in the given order.

    Example:
        >>> spread(Axis("chain", False, -0.5, 0.5, ("adam",)), {4: "adam", 7: "adam"})
        {4: -0.22, 7: 0.22}
    """
    positions = {trial: axis.position(value) for trial, value in values.items()}
    if axis.options is None:
        return positions
    for index in set(positions.values()):
        own = [trial for trial, position in positions.items() if position == index]
        shifts = np.linspace(-SPREAD, SPREAD, len(own)) if len(own) > 1 else np.zeros(1)
        positions |= {trial: index + s for trial, s in zip(own, shifts.tolist(), strict=True)}
    return positions


def ticks(axis: Axis) -> list[tuple[float, str]]:
    """Positions and texts of about six ticks, or of up to eighteen categories.

    Example:
        >>> [text for _, text in ticks(Axis("rate", True, 1e-4, 1.0))]
        ['0.0001', '0.001', '0.01', '0.1', '1']
        >>> [text for _, text in ticks(Axis("beta", False, 0.0, 1.0))]
        ['0', '0.2', '0.4', '0.6', '0.8', '1']
    """
    if axis.options is not None:
        stride = -(-len(axis.options) // (3 * _TICKS))
        return [(float(index), text) for index, text in enumerate(axis.texts)][::stride]
    values = log_ticks(axis.low, axis.high) if axis.log else []
    values = values if len(values) > 1 else _linear_ticks(axis.low, axis.high)
    return [(value, number(value)) for value in values]


def log_ticks(low: float, high: float) -> list[float]:
    """Round values on a logarithmic axis, few enough to read; fewer than two if none fit.

    Example:
        >>> log_ticks(0.05, 2.0), log_ticks(1e-6, 1e6)
        ([0.05, 0.1, 0.2, 0.5, 1.0, 2.0], [1e-06, 0.001, 1.0, 1000.0, 1000000.0])
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))

    def on(values: list[float]) -> list[float]:
        return [value for value in values if low * 0.99 <= value <= high * 1.01]

    whole = on([float(f"1e{e}") for e in range(first, last + 1)])
    values = whole[:: math.ceil(len(whole) / _TICKS) or 1]
    for digits in _FINER if len(whole) < 3 else ():
        values = on([float(f"{digit}e{e}") for e in range(first, last + 1) for digit in digits])
        if len(values) > 3:
            break
    return values


def _linear_ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten within the ends, but for rounding."""
    least = (high - low) / (_TICKS - 1) * (1 - 1e-9)
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
    slack = 1e-6 * (high - low)
    counts = range(math.ceil((low - slack) / step), math.floor((high + slack) / step) + 1)
    return [float(f"{count * step:.12g}") for count in counts]


def _axis(name: str, distribution: Distribution, seen: list[Any]) -> Axis:
    # a conditional distribution wraps the one it draws from, and a choice lists its options
    drawn = getattr(distribution, "distribution", distribution)
    options = getattr(drawn, "options", None)
    if options is not None:
        return _categories(name, options)
    ends = [drawn.quantile(0.0), drawn.quantile(1.0)]
    if not all(map(_is_number, [*seen, *ends])):
        distinct: list[Any] = []
        for value in [*ends, *seen]:
            distinct += [] if any(_same(value, known) for known in distinct) else [value]
        return _categories(name, distinct)
    low, high = float(min([*seen, *ends])), float(max([*seen, *ends]))
    margin = 0.0 if low < high else abs(low) / 10 or 1.0
    return Axis(name, drawn.logarithmic and low > 0, low - margin, high + margin)


def _categories(name: str, options: Sequence[Any]) -> Axis:
    ordered = all(map(_is_number, options))
    options = tuple(sorted(options) if ordered else options)
    return Axis(name, False, -0.5, len(options) - 0.5, options, ordered)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, or equal in float32, to which programs round numbers."""
    if isinstance(one, float) and isinstance(other, float):
        return bool(np.float32(one) == np.float32(other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)
