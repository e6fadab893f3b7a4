"""Search spaces: how one hyperparameter is drawn from a point of the unit interval.

They stand below `optim` and `sweep` because both speak of them: the registry
gives every optimizer its space, the sweep draws trials from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from paramjax.checks import check_learning_rate


@runtime_checkable
class Distribution(Protocol):
    """What a search space maps a name to.

    Attributes:
        static: Whether the value is structure (a program of its own for each
            value) rather than a number that one program traces.
        logarithmic: Whether plots of it belong on a logarithmic axis.
    """

    @property
    def static(self) -> bool:
        """Whether the value is structure."""
        ...

    @property
    def logarithmic(self) -> bool:
        """Whether it is drawn on a logarithmic scale."""
        ...

    def quantile(self, u: float) -> Any:
        """The value at probability `u` in [0, 1)."""
        ...


@dataclass(frozen=True)
class Uniform:
    """A number drawn evenly between `low` and `high`."""

    low: float
    high: float
    static = False
    logarithmic = False

    def __str__(self) -> str:
        """As it is written."""
        return f"uniform({self.low:g}, {self.high:g})"

    def quantile(self, u: float) -> float:
        """The value at probability `u` in [0, 1)."""
        return self.low + u * (self.high - self.low)


@dataclass(frozen=True)
class LogUniform:
    """A positive number whose logarithm is drawn evenly."""

    low: float
    high: float
    static = False
    logarithmic = True

    def __str__(self) -> str:
        """As it is written."""
        return f"log_uniform({self.low:g}, {self.high:g})"

    def quantile(self, u: float) -> float:
        """The value at probability `u` in [0, 1)."""
        return math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))


@dataclass(frozen=True)
class Choice:
    """One of several options, each equally likely."""

    options: tuple[Any, ...]
    static: bool
    logarithmic = False

    def __str__(self) -> str:
        """As it is written."""
        return f"choice({list(self.options)})"

    def quantile(self, u: float) -> Any:
        """The option at probability `u` in [0, 1)."""
        return self.options[min(int(u * len(self.options)), len(self.options) - 1)]


Space = dict[str, Distribution]
"""Hyperparameter name -> its distribution."""


def uniform(low: float, high: float) -> Uniform:
    """A number drawn evenly from [low, high].

    Args:
        low: Lower end, finite.
        high: Upper end, finite, above `low`.

    Returns:
        A distribution for a search space.

    Raises:
        ValueError: If an end is not finite or `low >= high`.

    Example:
        >>> uniform(0.8, 1.0).quantile(0.5)
        0.9
    """
    _check_range("uniform", low, high)
    return Uniform(float(low), float(high))


def log_uniform(low: float, high: float) -> LogUniform:
    """A positive number whose logarithm is drawn evenly: for scales, such as a learning rate.

    Args:
        low: Lower end, finite and positive.
        high: Upper end, finite, above `low`.

    Returns:
        A distribution for a search space.

    Raises:
        ValueError: If an end is not finite, `low <= 0` or `low >= high`.

    Example:
        >>> round(log_uniform(1e-4, 1.0).quantile(0.5), 6)
        0.01
    """
    _check_range("log_uniform", low, high)
    if low <= 0:
        raise ValueError(
            f"log_uniform: expected 0 < low, got low={low}; a logarithm has no value there, "
            "so use uniform, or start above zero"
        )
    return LogUniform(float(low), float(high))


def choice(options: Sequence[Any], *, static: bool | None = None) -> Choice:
    """One of several options, each equally likely.

    Args:
        options: One or more distinct values.
        static: Whether a value is structure (its own program) or a traced number.
            By default numbers are traced; booleans and everything else are structure.

    Returns:
        A distribution for a search space.

    Raises:
        ValueError: If there are no options, two are equal, or a non-number is to be traced.

    Example:
        >>> choice(["relu", "tanh"]).static, choice([0.9, 0.99]).static
        (True, False)
    """
    options = tuple(options)
    if not options:
        raise ValueError("choice: expected at least one option, got none")
    if any(a == b for i, a in enumerate(options) for b in options[:i]):
        raise ValueError(f"choice: expected distinct options, got {options}")
    numeric = all(isinstance(o, int | float) and not isinstance(o, bool) for o in options)
    if numeric and not all(math.isfinite(o) for o in options):
        raise ValueError(f"choice: expected finite numbers, got {options}")
    if static is False and not numeric:
        raise ValueError(f"choice: only numbers can be traced, got {options}; drop static=False")
    return Choice(options, static=not numeric if static is None else static)


def check_space(space: Any) -> Space:
    """Refuse what is not a search space.

    Args:
        space: A mapping from hyperparameter names to distributions.

    Returns:
        The same mapping as a dict.

    Raises:
        TypeError: If it is no mapping, a name is no string or a value no distribution.
        ValueError: If a `learning_rate` reaches below zero.

    Example:
        >>> sorted(check_space({"learning_rate": log_uniform(1e-3, 1.0)}))
        ['learning_rate']
    """
    if not hasattr(space, "items"):
        raise TypeError(
            "expected a search space such as {'learning_rate': log_uniform(1e-4, 1.0)}, "
            f"got {type(space).__name__}"
        )
    for name, distribution in space.items():
        if not isinstance(name, str) or not isinstance(distribution, Distribution):
            raise TypeError(
                f"search space: {name!r} must be drawn from uniform(...), log_uniform(...) or "
                f"choice([...]), got {distribution!r}"
            )
    if "learning_rate" in space and not space["learning_rate"].static:
        for end in (0.0, 1.0):
            check_learning_rate(space["learning_rate"].quantile(end))
    return dict(space)


def structure(space: Space, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters that are structure: each of their combinations is its own program.

    Args:
        space: Name -> distribution.
        hyperparameters: Name -> value, of the same names.

    Returns:
        Name -> value of the static ones.

    Example:
        >>> space = {"chain": choice(["a", "b"]), "rate": uniform(0.0, 1.0)}
        >>> structure(space, {"chain": "a", "rate": 0.5})
        {'chain': 'a'}
    """
    return {name: hyperparameters[name] for name, d in space.items() if d.static}


def traced(space: Space, runs: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """The hyperparameters that are numbers, as one program traces them.

    Args:
        space: Name -> distribution.
        runs: The hyperparameters of each run.

    Returns:
        Name -> float32[runs], or int32[runs] where every value is an integer.

    Example:
        >>> traced({"rate": uniform(0.0, 1.0)}, [{"rate": 0.5}, {"rate": 0.25}])["rate"].tolist()
        [0.5, 0.25]
    """
    columns = {n: np.array([run[n] for run in runs]) for n, d in space.items() if not d.static}
    return {
        name: values.astype(np.int32 if np.issubdtype(values.dtype, np.integer) else np.float32)
        for name, values in columns.items()
    }


def _check_range(kind: str, low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"{kind}: expected finite ends, got low={low}, high={high}")
    if not low < high:
        raise ValueError(f"{kind}: expected low < high, got low={low}, high={high}")
