"""Which hyperparameters are structure and which are traced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paramjax.space._choice import Choice, option_index
from paramjax.space._conditional import exists, parents, unconditional
from paramjax.space._distribution import Distribution, Space, plain, rounded
from paramjax.space._integer import Integer


def is_structural(space: Space, name: str) -> bool:
    """Whether each value of a hyperparameter needs its own program.

    Args:
        space: Name -> distribution.
        name: A name of the space.

    Returns:
        True if it is static, or if others depend on it: which hyperparameters exist decides
        which program is run.

    Example:
        >>> from paramjax import choice, conditional, uniform
        >>> space = {"depth": choice([1, 2]), "skip": conditional("depth", 2, uniform(0, 1))}
        >>> space["depth"].static, is_structural(space, "depth"), is_structural(space, "skip")
        (False, True, False)
    """
    return space[name].static or name in parents(space)


def as_seen(space: Space, name: str, value: Any) -> Any:
    """A value as trainers see it: an option as it was written, a traced float as float32 holds it.

    Example:
        >>> from paramjax import choice
        >>> space = {"fixed": choice([0.1, 0.3], static=True), "traced": choice([0.1, 0.3])}
        >>> as_seen(space, "fixed", 0.3) == 0.3, as_seen(space, "traced", 0.3) == 0.3
        (True, False)
    """
    if not is_structural(space, name):
        return rounded(plain(value))
    drawn = unconditional(space[name])
    if not isinstance(drawn, Choice):
        return value
    index = option_index(value, drawn.options)
    return value if index < 0 else drawn.options[index]


def structure(space: Space, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """The structural hyperparameters: each combination of their values needs its own program.

    Args:
        space: Name -> distribution.
        hyperparameters: Name -> value, of the same names; absent ones may be left out.

    Returns:
        Name -> value of those that exist; an option is the very object of the space.

    Example:
        >>> from paramjax import choice, uniform
        >>> space = {"chain": choice(["a", "b"]), "rate": uniform(0.0, 1.0)}
        >>> structure(space, {"chain": "a", "rate": 0.5})
        {'chain': 'a'}
    """
    return {
        name: as_seen(space, name, hyperparameters[name])
        for name in space
        if is_structural(space, name) and exists(space, name, hyperparameters)
    }


def traced(space: Space, runs: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """The other hyperparameters, as arrays that one program traces.

    Args:
        space: Name -> distribution.
        runs: The hyperparameters of each run, all of one structure.

    Returns:
        Name -> float32[runs], or int32[runs] if the distribution has whole numbers only, of
        those that exist.

    Example:
        >>> from paramjax import uniform
        >>> traced({"rate": uniform(0.0, 1.0)}, [{"rate": 0.5}, {"rate": 0.25}])["rate"].tolist()
        [0.5, 0.25]
    """
    names = [
        name
        for name in space
        if not is_structural(space, name) and any(exists(space, name, run) for run in runs)
    ]
    return {
        name: np.array([run[name] for run in runs], np.int32 if _whole(space[name]) else np.float32)
        for name in names
    }


def _whole(distribution: Distribution) -> bool:
    """Whether every value of the distribution is a whole number."""
    drawn = unconditional(distribution)
    if isinstance(drawn, Choice):
        return all(isinstance(option, int) for option in drawn.options)
    return isinstance(drawn, Integer)
