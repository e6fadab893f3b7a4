"""The structures of a search space: the programs that an optimizer may become."""

from __future__ import annotations

from typing import Any, NamedTuple

from paramjax.space._choice import Choice
from paramjax.space._conditional import active, exists, unconditional
from paramjax.space._distribution import Distribution, Space
from paramjax.space._integer import Integer
from paramjax.space._tracing import is_structural

MOST = 32
"""Structures that are looked at; a space with more is looked at in part."""


class Structures(NamedTuple):
    """The structures of a space.

    Attributes:
        points: The hyperparameters of a trial of each structure, numbers at their medians.
        names: The hyperparameters that are structure.
        complete: Whether these are all structures.
    """

    points: list[dict[str, Any]]
    names: list[str]
    complete: bool


def structures(space: Space, most: int = MOST) -> Structures:
    """List the structures of a space.

    Args:
        space: Name -> distribution, as `check_space` returns it.
        most: How many structures to list.

    Returns:
        One point of each structure, in the order of the options.

    Example:
        >>> from paramjax import choice, conditional, uniform
        >>> space = {"nesterov": choice([True, False]), "momentum": uniform(0.0, 1.0)}
        >>> structures(space).points
        [{'nesterov': True, 'momentum': 0.5}, {'nesterov': False, 'momentum': 0.5}]
    """
    names = [name for name in space if is_structural(space, name)]
    points: list[dict[str, Any]] = [{}]
    complete = True
    for name in _parents_first(space, names):
        options, whole = _options(space[name], most)
        points = [
            {**point, name: option}
            for point in points
            for option in (options if exists(space, name, point) else [options[0]])
        ]
        complete = complete and whole and len(points) <= most
        points = points[:most]
    middle = {n: d.quantile(0.5) for n, d in space.items() if n not in names}
    return Structures([active(space, {**middle, **point}) for point in points], names, complete)


def _parents_first(space: Space, names: list[str]) -> list[str]:
    """The names, each after the one on which it depends."""

    def depth(name: str) -> int:
        parent = getattr(space[name], "parent", None)
        return 0 if parent is None else 1 + depth(parent)

    return sorted(names, key=depth)


def _options(distribution: Distribution, most: int) -> tuple[list[Any], bool]:
    """The values of a structural hyperparameter, and whether they are all."""
    drawn = unconditional(distribution)
    if isinstance(drawn, Choice):
        return list(drawn.options), True
    if isinstance(drawn, Integer):
        values = range(drawn.low, drawn.high + 1)
        return list(values[:most]), len(values) <= most
    return [drawn.quantile(0.5)], False
