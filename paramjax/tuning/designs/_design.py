"""Designs: which trials are tried, drawn at random, evenly by Sobol, or listed by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from paramjax._checks import check_count, check_key, describe, nearest
from paramjax._types import Key
from paramjax.space._check import check_space
from paramjax.space._choice import Choice, option_index
from paramjax.space._conditional import active, unconditional
from paramjax.space._distribution import Distribution, Space, plain, rounded
from paramjax.space._integer import Integer
from paramjax.space._ranges import LogUniform, Uniform
from paramjax.space._tracing import as_seen

Design = Callable[[Space, Key], list[dict[str, Any]]]
"""`(space, key) -> the hyperparameters of each trial`; the key names what is drawn."""

Points = Callable[[np.random.Generator, int, int], np.ndarray]
"""`(generator, trials, dimensions) -> points of the unit cube`, [trials, dimensions]."""


def sobol_design(trials: int) -> Design:
    """A design of trials that a scrambled Sobol sequence spreads evenly over a space.

    Sobol' (1967); scrambled after Owen (1998), so that each trial by itself is uniformly
    distributed and the design differs from key to key. Numbers are rounded to float32, the
    precision of the trainings. A conditional hyperparameter takes a dimension in every trial and
    is left out of those where it does not exist.

    Args:
        trials: Number of trials, positive; a power of two fills the space most evenly.

    Returns:
        `(space, key) -> trials`. The key names the scrambling, and gives spaces of one size the
        same points; an empty space gives equal trials. It raises TypeError or ValueError where
        `check_space` does.

    Raises:
        TypeError: If `trials` is not a whole number.
        ValueError: If `trials` is less than 1.

    Example:
        >>> import jax
        >>> from paramjax import uniform
        >>> rates = sobol_design(4)({"a": uniform(0.0, 1.0)}, jax.random.key(0))
        >>> sorted(int(rate["a"] * 4) for rate in rates)
        [0, 1, 2, 3]
    """
    check_count("trials", trials)
    return lambda space, key: _drawn(space, trials, key, _sobol)


def random_design(trials: int) -> Design:
    """A design of trials that are drawn independently of each other.

    Bergstra and Bengio (2012, Random search for hyper-parameter optimization). Numbers are
    rounded to float32, the precision of the trainings. A conditional hyperparameter is drawn in
    every trial and left out of those where it does not exist.

    Args:
        trials: Number of trials, positive; fewer are the first of more.

    Returns:
        `(space, key) -> trials`. One key gives spaces of one size the same points; an empty space
        gives equal trials. It raises TypeError or ValueError where `check_space` does.

    Raises:
        TypeError: If `trials` is not a whole number.
        ValueError: If `trials` is less than 1.

    Example:
        >>> import jax
        >>> from paramjax import uniform
        >>> rates = random_design(9)({"a": uniform(0.0, 1.0)}, jax.random.key(0))
        >>> len(rates), all(0 <= rate["a"] <= 1 for rate in rates)
        (9, True)
    """
    check_count("trials", trials)
    return lambda space, key: _drawn(
        space, trials, key, lambda generator, *shape: generator.random(shape)
    )


def _drawn(space: Space, trials: int, key: Key, points: Points) -> list[dict[str, Any]]:
    """The trials at points that a key names."""
    space = check_space(space)
    generator = np.random.default_rng(key_words(key))
    return [trial_at(space, point) for point in points(generator, trials, len(space))]


def key_words(key: Key) -> list[int]:
    """The words of a key, the seed of a numpy generator."""
    words: list[int] = np.asarray(jax.random.key_data(check_key(key))).tolist()
    return words


def trial_at(space: Space, point: Iterable[float]) -> dict[str, Any]:
    """The hyperparameters at a point of the unit cube, traced ones rounded to float32."""
    pairs = zip(space.items(), point, strict=True)
    drawn = {name: as_seen(space, name, d.quantile(float(u))) for (name, d), u in pairs}
    return active(space, drawn)


def _sobol(generator: np.random.Generator, trials: int, dimensions: int) -> np.ndarray:
    """The first points of a scrambled Sobol sequence, [trials, dimensions]."""
    if dimensions == 0:
        return np.empty((trials, 0))
    from scipy.stats import qmc  # takes 0.4 s to import, and only designs need it

    sampler = qmc.Sobol(dimensions, scramble=True, rng=generator)
    points: np.ndarray = sampler.random_base2(math.ceil(math.log2(trials)))[:trials]
    return points


def tried(
    trials: int | Design | Sequence[Mapping[str, Any]], space: Space, key: Key
) -> list[dict[str, Any]]:
    """The hyperparameters of each trial, of a number of trials, a design, or a list of them."""
    found: Any = trials
    if callable(trials):
        found = trials(space, key)
    elif isinstance(trials, int | np.integer) and not isinstance(trials, bool):
        return sobol_design(int(trials))(space, key)
    if isinstance(found, str | Mapping) or not isinstance(found, Sequence):
        raise TypeError(
            "trials: expected a number of trials, a design such as pj.tuning.grid(5), or a list "
            f"of the hyperparameters of each trial, got {describe(found)}"
        )
    if not found:
        raise ValueError("trials: expected at least one trial, got none")
    return [_checked(f"trials: trial {n}", space, own) for n, own in enumerate(found)]


def _checked(trial: str, space: Space, given: Any) -> dict[str, Any]:
    """The hyperparameters of a trial, which must be those that exist, with values of the space."""
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{trial}: expected its hyperparameters, name -> value, got {describe(given)}"
        )
    for name in given:
        if name not in space:
            raise ValueError(f"{trial}: " + nearest(name, space, what="hyperparameter"))
    try:
        found = active(space, given)
    except KeyError as error:
        raise ValueError(f"{trial}: expected a value of {error}, got {dict(given)}") from None
    for name, value in given.items():
        if name not in found:
            raise ValueError(f"{trial}: {name!r} does not exist there, {space[name]}")
        if not _admits(unconditional(space[name]), value):
            raise ValueError(f"{trial}: {name!r} is {value!r}, which {space[name]} never is")
    return {name: as_seen(space, name, _value(space[name], v)) for name, v in found.items()}


def _admits(distribution: Distribution, value: Any) -> bool:
    """Whether a distribution can have a value, up to float32; one of the user's own has any."""
    if isinstance(distribution, Choice):
        return option_index(value, distribution.options) >= 0
    if not isinstance(distribution, Integer | Uniform | LogUniform):
        return True
    kinds = (int, np.integer) if isinstance(distribution, Integer) else (int, float, np.number)
    if isinstance(value, bool) or not isinstance(value, kinds):
        return False
    low, high = rounded(distribution.low), rounded(distribution.high)
    return bool(low <= rounded(plain(value)) <= high)


def _value(distribution: Distribution, value: Any) -> Any:
    """A value of the kind that the distribution draws: the option that it equals, or a float."""
    drawn = unconditional(distribution)
    if isinstance(drawn, Choice):
        return drawn.options[option_index(value, drawn.options)]
    return float(value) if isinstance(drawn, Uniform | LogUniform) else plain(value)
