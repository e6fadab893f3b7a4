"""Trials drawn independently: a random design."""

from __future__ import annotations

from paramjax._checks import check_count
from paramjax.tuning.designs._design import Design, drawn


def random_design(trials: int) -> Design:
    """Trials drawn independently of each other.

    Bergstra and Bengio (2012, Random search for hyper-parameter optimization). Numbers are
    rounded to float32, which is what the trainings see. A conditional hyperparameter is
    drawn in every trial, and left out where it does not exist.

    Args:
        trials: Number of trials, positive; fewer are the first of more.

    Returns:
        `(space, key) -> trials`. One key gives spaces of one size the same points; an empty space
        gives equal trials. It raises TypeError or ValueError where `check_space` does.

    Raises:
        TypeError: If `trials` is not a whole number.
        ValueError: If it is not positive.

    Example:
        >>> import jax
        >>> from paramjax import uniform
        >>> rates = random_design(9)({"a": uniform(0.0, 1.0)}, jax.random.key(0))
        >>> len(rates), all(0 <= rate["a"] <= 1 for rate in rates)
        (9, True)
    """
    check_count("trials", trials)
    return lambda space, key: drawn(
        space, trials, key, lambda generator, *shape: generator.random(shape)
    )
