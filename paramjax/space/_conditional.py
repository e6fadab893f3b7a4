"""Hyperparameters that exist only where another one has certain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paramjax._checks import describe
from paramjax.space._distribution import Distribution, Space, plain, same


@dataclass(frozen=True)
class Conditional:
    """A hyperparameter that exists only where `parent` has one of `values`.

    Attributes:
        parent: Name of the hyperparameter it depends on.
        values: The parent's values for which it exists.
        distribution: What it is drawn from there.
    """

    parent: str
    values: tuple[Any, ...]
    distribution: Distribution

    @property
    def static(self) -> bool:
        """Whether the value is structure."""
        return self.distribution.static

    @property
    def logarithmic(self) -> bool:
        """Whether it is drawn on a logarithmic scale."""
        return self.distribution.logarithmic

    def __str__(self) -> str:
        bare = len(self.values) == 1 and not isinstance(self.values[0], list | tuple)
        values = self.values[0] if bare else list(self.values)
        return f"conditional({self.parent!r}, {values!r}, {self.distribution})"

    def quantile(self, u: float) -> Any:
        """The value at probability `u` in [0, 1] if it exists."""
        return self.distribution.quantile(u)

    def admits(self, value: Any) -> bool:
        """Whether it exists if the parent has this value."""
        return any(same(value, admitted) for admitted in self.values)


def conditional(parent: str, values: Any, distribution: Distribution) -> Conditional:
    """A hyperparameter that exists only where another one has certain values.

    Which hyperparameters exist decides which program is run, so the parent is always
    structure. Conditions nest through the parent: if a parent is absent, so are the
    hyperparameters that depend on it (Bergstra et al., 2011, Algorithms for hyper-parameter
    optimization).

    Args:
        parent: Name of a `choice` or an `integer` in the same space, which may be
            conditional itself.
        values: The parent's value for which it exists, or a list or tuple of such values; a
            value that is itself a tuple goes into a list, `[(3, 3)]`.
        distribution: What it is drawn from; not another conditional.

    Returns:
        A distribution for a search space.

    Raises:
        TypeError: If the parent is not a name, or `distribution` is not a distribution or is
            conditional.
        ValueError: If there are no values, or two are equal.

    Example:
        >>> from paramjax import choice, uniform
        >>> space = {
        ...     "chain": choice(["sgd", "adam"]),
        ...     "momentum": conditional("chain", "sgd", uniform(0.0, 1.0)),
        ... }
        >>> active(space, {"chain": "adam", "momentum": 0.5})
        {'chain': 'adam'}
    """
    if not isinstance(parent, str):
        raise TypeError(
            f"conditional: expected the name of a hyperparameter for parent, got {describe(parent)}"
        )
    if isinstance(distribution, Conditional):
        raise TypeError(
            f"conditional: {distribution} cannot stand inside another condition; "
            f"make {parent!r} conditional instead"
        )
    if not isinstance(distribution, Distribution):
        raise TypeError(
            "conditional: expected a distribution such as uniform(0.0, 1.0), "
            f"got {describe(distribution)}"
        )
    admitted = tuple(map(plain, values if isinstance(values, list | tuple) else [values]))
    if not admitted:
        raise ValueError(f"conditional: expected at least one value of {parent!r}, got none")
    if any(same(a, b) for i, a in enumerate(admitted) for b in admitted[:i]):
        raise ValueError(f"conditional: expected distinct values of {parent!r}, got {admitted}")
    return Conditional(parent, admitted, distribution)


def unconditional(distribution: Distribution) -> Distribution:
    """The distribution without its condition, if it has one."""
    return distribution.distribution if isinstance(distribution, Conditional) else distribution


def parents(space: Space) -> set[str]:
    """The hyperparameters that others depend on."""
    return {d.parent for d in space.values() if isinstance(d, Conditional)}


def exists(space: Space, name: str, hyperparameters: Mapping[str, Any]) -> bool:
    """Whether a hyperparameter exists, given the values of the others.

    Args:
        space: Name -> distribution, as `check_space` returns it.
        name: A name of the space.
        hyperparameters: Name -> value, with or without the absent ones.

    Returns:
        Whether its condition holds, and those of its parents.

    Example:
        >>> from paramjax import choice, uniform
        >>> space = {"depth": choice([1, 2]), "skip": conditional("depth", 2, uniform(0, 1))}
        >>> exists(space, "skip", {"depth": 1}), exists(space, "skip", {"depth": 2})
        (False, True)
    """
    distribution = space[name]
    if not isinstance(distribution, Conditional):
        return True
    parent = distribution.parent
    return exists(space, parent, hyperparameters) and distribution.admits(hyperparameters[parent])


def active(space: Space, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the hyperparameters whose conditions do not hold.

    Args:
        space: Name -> distribution, as `check_space` returns it.
        drawn: Name -> value, in any order.

    Returns:
        Name -> value of those that exist, in the order of the space.

    Example:
        >>> from paramjax import choice, uniform
        >>> space = {"skip": conditional("depth", 2, uniform(0, 1)), "depth": choice([1, 2])}
        >>> active(space, {"depth": 1, "skip": 0.5}), active(space, {"depth": 2, "skip": 0.5})
        ({'depth': 1}, {'skip': 0.5, 'depth': 2})
    """
    return {name: drawn[name] for name in space if exists(space, name, drawn)}
