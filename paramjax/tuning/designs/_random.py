"""Trials drawn independently: a random design."""

from __future__ import annotations

from typing import Any

from paramjax._types import Key
from paramjax.space._distribution import Space
from paramjax.tuning.designs._design import drawn


def random_design(space: Space, trials: int | None, key: Key) -> list[dict[str, Any]]:
    """Trials drawn independently of each other.

    Bergstra and Bengio (2012, Random search for hyper-parameter optimization). Numbers are
    rounded to float32, which is what the trainings see. A conditional hyperparameter is
    drawn in every trial, and left out where it does not exist.

    Args:
        space: Hyperparameter name -> distribution; an empty space gives equal trials.
        trials: Number of trials; fewer are the first of more.
        key: Names the draws. One key gives spaces of one size the same points.

    Returns:
        One dict of hyperparameters a trial.

    Raises:
        TypeError: If the space is none, `trials` is None, or for a legacy key.
        ValueError: If there is no trial, or `check_space` refuses the space.

    Example:
        >>> import jax
        >>> from paramjax import uniform
        >>> rates = random_design({"a": uniform(0.0, 1.0)}, trials=9, key=jax.random.key(0))
        >>> len(rates), all(0 <= rate["a"] <= 1 for rate in rates)
        (9, True)
    """
    return drawn(space, trials, key, lambda generator, *shape: generator.random(shape))
