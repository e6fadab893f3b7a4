"""Search spaces as JSON and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from paramjax._format import option_name
from paramjax.optim import Optimizer
from paramjax.space._choice import Choice
from paramjax.space._conditional import Conditional, unconditional
from paramjax.space._distribution import Distribution, Space
from paramjax.space._integer import Integer
from paramjax.space._ranges import LogUniform, Uniform


def describe_space(optimizer: Optimizer) -> dict[str, dict[str, Any]]:
    """A search space as JSON: kind, ends or options, its volume in words, and its axis.

    Example:
        >>> from paramjax.optim import get
        >>> space = describe_space(get("sgd"))["learning_rate"]
        >>> space["kind"], space["volume"]
        ('LogUniform', '3 decades')
    """
    volumes = space_volume(optimizer.space)
    return {
        name: {**_described(distribution), "volume": volumes[name]}
        for name, distribution in optimizer.space.items()
    }


def space_volume(space: Space) -> dict[str, str]:
    """How much of each hyperparameter is searched, and the whole under the name `""`.

    Args:
        space: Name -> distribution.

    Returns:
        Name -> decades of a logarithmic range, width of an even one, or number of options.

    Example:
        >>> from paramjax import choice, log_uniform, uniform
        >>> space = {"rate": log_uniform(1e-4, 1e-1), "b1": uniform(0.8, 0.98)}
        >>> space_volume({**space, "nesterov": choice([True, False])})[""]
        '3 dimensions: 3 decades x width 0.18 x 2 options'
    """
    volumes = {name: _volume(distribution) for name, distribution in space.items()}
    total = " x ".join(volumes.values()) or "nothing is searched"
    dimensions = f"{len(space)} dimensions: " if len(space) > 1 else ""
    return {**volumes, "": dimensions + total}


def _volume(distribution: Distribution) -> str:
    """The extent of a distribution, in words."""
    drawn = unconditional(distribution)
    if isinstance(drawn, Choice):
        words = _count(len(drawn.options), "option")
    elif isinstance(drawn, Integer) and not drawn.logarithmic:
        words = _count(drawn.high - drawn.low + 1, "whole number")
    elif isinstance(drawn, LogUniform | Integer):
        decades = math.log10(drawn.high / drawn.low)
        words = f"{decades:.3g} decade{'s' * (f'{decades:.3g}' != '1')}"
    elif isinstance(drawn, Uniform):
        words = f"width {drawn.high - drawn.low:.3g}"
    else:
        words = type(drawn).__name__
    return f"{words} if {distribution.parent}" if isinstance(distribution, Conditional) else words


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _described(distribution: Distribution) -> dict[str, Any]:
    fields: Mapping[str, Any] = vars(distribution)
    return {
        "kind": type(distribution).__name__,
        "logarithmic": distribution.logarithmic,
        "static": distribution.static,
        **{field: _plain(value) for field, value in fields.items()},
    }


def _plain(value: Any) -> Any:
    """A JSON value: containers element by element, what JSON does not know by its name."""
    if isinstance(value, Distribution):
        return _described(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else option_name(value)
