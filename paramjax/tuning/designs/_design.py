"""What a design is, and how one is made of points."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from paramjax._checks import check_count, check_key
from paramjax._types import Key
from paramjax.space._check import check_space
from paramjax.space._conditional import active
from paramjax.space._distribution import Space, rounded

Design = Callable[[Space, Key], list[dict[str, Any]]]
"""`(space, key) -> the hyperparameters of each trial`; the key names what is drawn."""


Points = Callable[[np.random.Generator, int, int], np.ndarray]
"""`(generator, trials, dimensions) -> points of the unit cube`, [trials, dimensions]."""


def drawn(space: Space, trials: int, key: Key, points: Points) -> list[dict[str, Any]]:
    """The trials at points that a key names.

    Args:
        space: Hyperparameter name -> distribution.
        trials: Number of trials.
        key: Names the points.
        points: Draws them.

    Returns:
        One dict of hyperparameters a trial.

    Raises:
        TypeError: If the space is none, `trials` no whole number, or for a legacy key.
        ValueError: If there is no trial, or `check_space` refuses the space.

    Example:
        >>> middle = lambda generator, trials, dimensions: np.full((trials, dimensions), 0.5)
        >>> from paramjax import uniform
        >>> drawn({"rate": uniform(0.0, 1.0)}, 2, jax.random.key(0), middle)
        [{'rate': 0.5}, {'rate': 0.5}]
    """
    space, count = check_space(space), check_count("trials", trials)
    seed = np.asarray(jax.random.key_data(check_key(key))).tolist()
    return [trial_at(space, p) for p in points(np.random.default_rng(seed), count, len(space))]


def trial_at(space: Space, point: Iterable[float]) -> dict[str, Any]:
    """The hyperparameters at a point of the unit cube, rounded to what the trainings see.

    Args:
        space: Hyperparameter name -> distribution, as `check_space` returns it.
        point: One probability in [0, 1] for each name, for absent ones too.

    Returns:
        Name -> value of those that exist.

    Example:
        >>> from paramjax import choice, uniform
        >>> trial_at({"rate": uniform(0.0, 2.0), "chain": choice(["a", "b"])}, [0.25, 0.9])
        {'rate': 0.5, 'chain': 'b'}
    """
    pairs = zip(space.items(), point, strict=True)
    return active(space, {name: rounded(d.quantile(float(u))) for (name, d), u in pairs})
