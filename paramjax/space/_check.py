"""Search spaces are checked."""

from __future__ import annotations

from typing import Any

from paramjax._checks import check_learning_rate, nearest
from paramjax.space._choice import Choice
from paramjax.space._conditional import Conditional, unconditional
from paramjax.space._distribution import Distribution, Space, same
from paramjax.space._integer import Integer


def check_space(space: Any) -> Space:
    """Return a search space, or raise if it cannot be searched.

    Args:
        space: A mapping from hyperparameter names to distributions.

    Returns:
        The same mapping as a dict.

    Raises:
        TypeError: If it is not a mapping, a name not a string or a value not a distribution.
        ValueError: If a `learning_rate` reaches below zero, or a condition depends on an
            unknown hyperparameter, on itself, on a continuous one, or on a value that its
            parent never has.

    Example:
        >>> from paramjax import log_uniform
        >>> sorted(check_space({"learning_rate": log_uniform(1e-3, 1.0)}))
        ['learning_rate']
    """
    if not hasattr(space, "items"):
        raise TypeError(
            "expected a search space such as {'learning_rate': log_uniform(1e-4, 1.0)}, "
            f"got {type(space).__name__}"
        )
    for name, distribution in space.items():
        drawn = unconditional(distribution)
        known = isinstance(drawn, Distribution) and not isinstance(drawn, Conditional)
        if not isinstance(name, str) or not known:
            raise TypeError(
                f"search space: {name!r} must be drawn from uniform(...), log_uniform(...), "
                f"integer(...), choice([...]) or conditional(...), got {distribution!r}"
            )
    for name, distribution in space.items():
        if isinstance(distribution, Conditional):
            _check_condition(space, name, distribution)
    if "learning_rate" in space and not space["learning_rate"].static:
        for value in _extremes(space["learning_rate"]):
            check_learning_rate(value)
    return dict(space)


def _check_condition(space: Space, name: str, condition: Conditional) -> None:
    _check_descent(space, name)
    parent, where = condition.parent, f"search space: {name!r} depends on {condition.parent!r}"
    if parent not in space:
        raise ValueError(
            f"search space: {name!r} depends on an "
            + nearest(parent, space.keys() - {name}, what="hyperparameter")
        )
    drawn = unconditional(space[parent])
    if not isinstance(drawn, Choice | Integer):
        raise ValueError(
            f"{where}, which is continuous, {drawn}; expected a choice or an integer there"
        )
    for value in condition.values:
        if not _can_be(drawn, value):
            raise ValueError(
                f"{where} being {value!r}, which {drawn} never is; expected one of its values"
            )


def _check_descent(space: Space, name: str) -> None:
    """Raise if a hyperparameter depends on itself, directly or through others."""
    path = [name]
    while isinstance(distribution := space.get(path[-1]), Conditional):
        path.append(distribution.parent)
        if distribution.parent in path[:-1]:
            raise ValueError(
                f"search space: {' -> '.join(map(repr, path))} is a circle of conditions; "
                "one of them must exist by itself"
            )


def _can_be(distribution: Choice | Integer, value: Any) -> bool:
    if isinstance(distribution, Choice):
        return any(same(value, option) for option in distribution.options)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and distribution.low <= value <= distribution.high


def _extremes(distribution: Distribution) -> list[Any]:
    drawn = unconditional(distribution)
    return list(drawn.options) if isinstance(drawn, Choice) else [*map(drawn.quantile, (0.0, 1.0))]
