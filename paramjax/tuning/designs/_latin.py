"""Latin hypercubes whose values depend on a hyperparameter's name, not on its neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from paramjax._checks import check_count
from paramjax._hashes import content_hash
from paramjax._types import Key
from paramjax.space._check import check_space
from paramjax.space._distribution import Space
from paramjax.tuning.designs._design import Design, key_words, trial_at


def latin_design(trials: int) -> Design:
    """A design that spreads each hyperparameter evenly, drawn by the hyperparameter's name.

    A Latin hypercube (McKay, Beckman and Conover, 1979): the quantiles of each hyperparameter
    are one uniform point in each of `trials` equal strata, in random order. Key and name alone
    decide them, so spaces that share a name share its quantiles trial by trial, and neither the
    order of a space nor another hyperparameter changes them. A choice takes its options equally
    often, within one trial. Numbers are rounded to float32, the precision of the trainings. A
    conditional hyperparameter takes a place in every trial and is left out of those where it
    does not exist.

    Args:
        trials: Number of trials, positive; fewer are not the first of more.

    Returns:
        `(space, key) -> trials`; an empty space gives equal trials. It raises TypeError or
        ValueError where `check_space` does.

    Raises:
        TypeError: If `trials` is not a whole number.
        ValueError: If `trials` is less than 1.

    Example:
        >>> import jax
        >>> from paramjax import uniform
        >>> a, b, key = uniform(0.0, 1.0), uniform(0.0, 9.0), jax.random.key(0)
        >>> both = latin_design(4)({"b": b, "a": a}, key)
        >>> sorted(int(trial["a"] * 4) for trial in both)
        [0, 1, 2, 3]
        >>> [{"a": trial["a"]} for trial in both] == latin_design(4)({"a": a}, key)
        True
    """
    count = check_count("trials", trials)

    def design(space: Space, key: Key) -> list[dict[str, Any]]:
        space, words = check_space(space), key_words(key)
        columns = [_quantiles(words, name, count) for name in space]
        points = np.reshape(columns, (len(space), count)).T
        return [trial_at(space, point) for point in points]

    return design


def _quantiles(words: list[int], name: str, trials: int) -> np.ndarray:
    """One uniform point in each of equal strata of [0, 1], in random order, [trials]."""
    # hash() of a name would differ between processes
    generator = np.random.default_rng([*words, int(content_hash(name)[:16], 16)])
    strata = generator.permutation(trials)
    points: np.ndarray = (strata + generator.random(trials)) / trials
    return points
