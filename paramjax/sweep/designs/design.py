"""What a design is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from paramjax.space import Space, active
from paramjax.space.rounding import rounded
from paramjax.types import Key

Design = Callable[[Space, int | None, Key], list[dict[str, Any]]]
"""`(space, trials, key) -> the hyperparameters of each trial`."""


def trial_at(space: Space, point: Iterable[float]) -> dict[str, Any]:
    """The hyperparameters at a point of the unit cube, rounded to what the trainings see.

    Args:
        space: Hyperparameter name -> distribution, as `check_space` returns it.
        point: One probability in [0, 1] for each name, for absent ones too.

    Returns:
        Name -> value of those that exist.

    Example:
        >>> from paramjax.space import choice, uniform
        >>> trial_at({"rate": uniform(0.0, 2.0), "chain": choice(["a", "b"])}, [0.25, 0.9])
        {'rate': 0.5, 'chain': 'b'}
    """
    pairs = zip(space.items(), point, strict=True)
    return active(space, {name: rounded(d.quantile(float(u))) for (name, d), u in pairs})
