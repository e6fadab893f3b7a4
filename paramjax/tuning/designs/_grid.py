"""Grids: all combinations of evenly spaced values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from paramjax._checks import check_count, nearest
from paramjax._types import Key
from paramjax.space._check import check_space
from paramjax.space._choice import Choice
from paramjax.space._conditional import Conditional, active, parents, unconditional
from paramjax.space._distribution import Distribution, Space, equal
from paramjax.space._integer import Integer
from paramjax.space._tracing import as_seen
from paramjax.tuning.designs._design import Design

_MOST = 10_000_000
"""Most trials of a grid."""

Levels = dict[str, Sequence[Any]]
"""Hyperparameter name -> its values."""


def grid(points: int | Mapping[str, int]) -> Design:
    """A design of all combinations of evenly spaced values.

    A choice contributes all its options and an integer all its values. Other hyperparameters
    contribute evenly spaced quantiles with both ends, so `log_uniform` is spaced evenly in its
    logarithm. A conditional hyperparameter multiplies only the trials where it exists, so no two
    trials are equal.

    Args:
        points: Number of values of each continuous hyperparameter, at least 2; or name -> number
            of values, also for an integer that shall not take all of them.

    Returns:
        `(space, key) -> trials`, in the order of `itertools.product`: the last name changes
        fastest; the key has no effect. It raises TypeError or ValueError if the space is not
        valid, if `points` names a choice or lacks a continuous hyperparameter, or if there were
        more than 10,000,000 trials.

    Raises:
        TypeError: If a number of points is not a whole number.
        ValueError: If a number of points is less than 2 or above 10,000,000.

    Example:
        >>> import jax
        >>> from paramjax import choice, log_uniform
        >>> space = {"chain": choice(["a", "b"]), "rate": log_uniform(0.01, 1.0)}
        >>> [(t["chain"], round(t["rate"], 2)) for t in grid(3)(space, jax.random.key(0))]
        [('a', 0.01), ('a', 0.1), ('a', 1.0), ('b', 0.01), ('b', 0.1), ('b', 1.0)]
    """
    if isinstance(points, Mapping):
        points = {n: check_count(f"grid: points of {n!r}", p, least=2) for n, p in points.items()}
        for count in points.values():
            _check_count(count)
    else:
        points = check_count("grid: points", points, least=2)
        _check_count(points)

    def design(space: Space, key: Key) -> list[dict[str, Any]]:
        space = check_space(space)
        roots = [name for name, d in space.items() if not isinstance(d, Conditional)]
        given = _points(space, points)
        _check_count(math.prod(_least(space[name], given.get(name)) for name in roots))
        levels = _levels(space, given)
        _check_count(math.prod(_count(space, levels, name) for name in roots))
        return [active(space, trial) for trial in _product(space, levels, roots)]

    return design


def _check_count(trials: int) -> None:
    if trials > _MOST:
        raise ValueError(
            f"grid: these are {trials:,} trials, more than {_MOST:,}; take fewer points, or "
            "pj.tuning.sobol_design for any number of trials"
        )


def _least(distribution: Distribution, points: int | None) -> int:
    """The number of values of a hyperparameter, or less, before any of them is made."""
    if isinstance(distribution, Choice):
        return len(distribution.options)
    if isinstance(distribution, Integer):
        whole = distribution.high - distribution.low + 1
        return whole if points is None else min(points, whole)
    return points or 1


def _points(space: Space, points: int | Mapping[str, int]) -> Mapping[str, int]:
    """The points of each hyperparameter that has some."""
    bare = {name: unconditional(d) for name, d in space.items()}
    given = points if isinstance(points, Mapping) else {}
    for name in given:
        if name not in space:
            raise ValueError("grid: points for an " + nearest(name, space, what="hyperparameter"))
        if isinstance(bare[name], Choice):
            raise ValueError(
                f"grid: points of {name!r}: a choice contributes all its options, {bare[name]}; "
                "leave it out of the points"
            )
    continuous = [name for name, d in bare.items() if not isinstance(d, Choice | Integer)]
    if isinstance(points, int):
        return dict.fromkeys(continuous, points)
    for name in continuous:
        if name not in given:
            raise ValueError(
                f"grid: expected points for {name!r}, which is continuous, {bare[name]}; give "
                f"{{{name!r}: 5}} with the others, or one number for all"
            )
    return given


def _levels(space: Space, given: Mapping[str, int]) -> Levels:
    """The values of each hyperparameter, conditional ones as if they existed."""
    bare = {name: unconditional(d) for name, d in space.items()}
    values = {name: _values(d, given.get(name)) for name, d in bare.items()}
    return {
        name: own if isinstance(own, range) else _distinct(as_seen(space, name, v) for v in own)
        for name, own in values.items()
    }


def _values(distribution: Distribution, points: int | None) -> Sequence[Any]:
    """The values of a hyperparameter: all of them, or evenly spaced ones."""
    if isinstance(distribution, Choice):
        return distribution.options
    if points is not None:
        return [distribution.quantile(u) for u in np.linspace(0.0, 1.0, points).tolist()]
    assert isinstance(distribution, Integer)
    return range(distribution.low, distribution.high + 1)


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Values without those that rounding to float32 has made equal."""
    seen = list(values)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in seen):
        return list(dict.fromkeys(seen))
    return [v for index, v in enumerate(seen) if not any(equal(v, own) for own in seen[:index])]


def _children(space: Space, parent: str, value: Any) -> list[str]:
    """The hyperparameters that exist because the parent has this value."""
    return [
        name
        for name, d in space.items()
        if isinstance(d, Conditional) and d.parent == parent and d.admits(value)
    ]


def _count(space: Space, levels: Levels, name: str) -> int:
    """The number of combinations of a hyperparameter and those that depend on it."""
    if name not in parents(space):
        return len(levels[name])
    return sum(
        math.prod(_count(space, levels, child) for child in _children(space, name, value))
        for value in levels[name]
    )


def _product(space: Space, levels: Levels, names: list[str]) -> Iterator[dict[str, Any]]:
    """All combinations of hyperparameters and those that depend on them."""
    if not names:
        yield {}
        return
    name, *others = names
    for value in levels[name]:
        for inner in _product(space, levels, _children(space, name, value)):
            for outer in _product(space, levels, others):
                yield {name: value, **inner, **outer}
