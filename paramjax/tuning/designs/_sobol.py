"""Trials spread evenly: a quasi-random design."""

from __future__ import annotations

import math

import numpy as np

from paramjax._checks import check_count
from paramjax.tuning.designs._design import Design, drawn


def sobol_design(trials: int) -> Design:
    """Trials spread evenly over a space by a scrambled Sobol sequence.

    Sobol' (1967); scrambling after Owen (1998), so that every trial is uniformly
    distributed by itself and the design differs from key to key. Numbers are rounded to
    float32, which is what the trainings see. A conditional hyperparameter has its
    dimension in every trial, and is left out where it does not exist.

    Args:
        trials: Number of trials, positive; a power of two fills the space most evenly.

    Returns:
        `(space, key) -> trials`; the key names the scrambling, and gives spaces of one size the
        same points. An empty space gives equal trials. It raises TypeError or ValueError where
        `check_space` does.

    Raises:
        TypeError: If `trials` is not a whole number.
        ValueError: If it is not positive.

    Example:
        >>> import jax
        >>> from paramjax import uniform
        >>> rates = sobol_design(4)({"a": uniform(0.0, 1.0)}, jax.random.key(0))
        >>> sorted(int(rate["a"] * 4) for rate in rates)
        [0, 1, 2, 3]
    """
    check_count("trials", trials)
    return lambda space, key: drawn(space, trials, key, _points)


def _points(generator: np.random.Generator, trials: int, dimensions: int) -> np.ndarray:
    """The first `trials` points of a scrambled sequence, [trials, dimensions]."""
    if dimensions == 0:
        return np.empty((trials, 0))
    from scipy.stats import qmc  # scipy.stats costs 0.4 s, and only designs want it

    sampler = qmc.Sobol(dimensions, scramble=True, rng=generator)
    return sampler.random_base2(math.ceil(math.log2(trials)))[:trials]
