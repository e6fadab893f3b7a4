"""Hyperparameters as JSON and back: an option is its index, and comes back as the object itself."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any

from paramjax._checks import describe
from paramjax._format import option_name as option_name
from paramjax.space._choice import Choice
from paramjax.space._choice import option_index as option_index
from paramjax.space._conditional import unconditional
from paramjax.space._distribution import Distribution, Space, plain
from paramjax.space._tracing import as_seen, is_structural


def encode(space: Space, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters as values of JSON.

    Args:
        space: Name -> distribution.
        hyperparameters: Name -> value, of names in the space.

    Returns:
        Name -> the index of an option that is structure, and any other value as it is.

    Raises:
        TypeError: If a distribution of the user's own drew something that JSON has not.
        ValueError: If a value is none of the options.

    Example:
        >>> from paramjax import choice, uniform
        >>> space = {"function": choice([min, max]), "rate": uniform(0.0, 1.0)}
        >>> encode(space, {"function": max, "rate": 0.5})
        {'function': 1, 'rate': 0.5}
    """
    return {name: _encoded(space, name, value) for name, value in hyperparameters.items()}


def decode(space: Space, encoded: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters that `encode` wrote; options are the very objects of the space.

    Args:
        space: The space with which they were written.
        encoded: Name -> value of JSON.

    Returns:
        Name -> value.

    Raises:
        ValueError: If a name is not in the space, or an index has no option.

    Example:
        >>> from paramjax import choice
        >>> space = {"drop": choice([0.1, 0.3], static=True), "shape": choice([(3, 3), (5, 5)])}
        >>> decode(space, {"drop": 1, "shape": 0})
        {'drop': 0.3, 'shape': (3, 3)}
    """
    return {name: _decoded(space, name, value) for name, value in encoded.items()}


def option_texts(hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters as a reader sees them: numbers as they are, options by their names.

    Example:
        >>> option_texts({"function": max, "size": 2})
        {'function': 'max', 'size': 2}
    """
    return {
        name: option_name(value)
        if isinstance(value, enum.Enum) or not _in_json(plain(value))
        else plain(value)
        for name, value in hyperparameters.items()
    }


def _options(space: Space, name: str) -> Sequence[Any] | None:
    """The options of a choice that is structure; None of anything else."""
    if name not in space:
        raise ValueError(f"hyperparameters: {name!r} is not in the space {sorted(space)}")
    drawn: Distribution = unconditional(space[name])
    return drawn.options if isinstance(drawn, Choice) and is_structural(space, name) else None


def _encoded(space: Space, name: str, value: Any) -> Any:
    options = _options(space, name)
    if options is not None:
        index = option_index(value, options)
        if index < 0:
            raise ValueError(
                f"hyperparameters: {name!r} is {value!r}, which {space[name]} never is"
            )
        return index
    if _in_json(plain(value)):
        return plain(value)
    raise TypeError(
        f"space: {name!r} is {describe(value)}, which no file can keep; draw it with "
        "pj.choice([...]), whose options are kept by their index"
    )


def _decoded(space: Space, name: str, value: Any) -> Any:
    options = _options(space, name)
    if options is None:
        return as_seen(space, name, value)
    if not isinstance(value, int) or not 0 <= value < len(options):
        raise ValueError(
            f"hyperparameters: expected the index of one of the {len(options)} options of "
            f"{name!r}, got {value!r}; they were written with another space"
        )
    return options[value]


def _in_json(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)
