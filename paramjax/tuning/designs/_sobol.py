"""Trials spread evenly: a quasi-random design."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from paramjax._types import Key
from paramjax.space._distribution import Space
from paramjax.tuning.designs._design import drawn


def sobol_design(space: Space, trials: int | None, key: Key) -> list[dict[str, Any]]:
    """Trials spread evenly over a space by a scrambled Sobol sequence.

    Sobol' (1967); scrambling after Owen (1998), so that every trial is uniformly
    distributed by itself and the design differs from key to key. Numbers are rounded to
    float32, which is what the trainings see. A conditional hyperparameter has its
    dimension in every trial, and is left out where it does not exist.

    Args:
        space: Hyperparameter name -> distribution; an empty space gives equal trials.
        trials: Number of trials; a power of two fills the space most evenly.
        key: Names the scrambling. One key gives spaces of one size the same points.

    Returns:
        One dict of hyperparameters a trial.

    Raises:
        TypeError: If the space is none, `trials` is None, or for a legacy key.
        ValueError: If there is no trial, or `check_space` refuses the space.

    Example:
        >>> import jax
        >>> from paramjax import uniform
        >>> rates = sobol_design({"a": uniform(0.0, 1.0)}, trials=4, key=jax.random.key(0))
        >>> sorted(int(rate["a"] * 4) for rate in rates)
        [0, 1, 2, 3]
    """
    return drawn(space, trials, key, _points)


def _points(generator: np.random.Generator, trials: int, dimensions: int) -> np.ndarray:
    """The first `trials` points of a scrambled sequence, [trials, dimensions]."""
    if dimensions == 0:
        return np.empty((trials, 0))
    from scipy.stats import qmc  # scipy.stats costs 0.4 s, and only designs want it

    sampler = qmc.Sobol(dimensions, scramble=True, rng=generator)
    return sampler.random_base2(math.ceil(math.log2(trials)))[:trials]
