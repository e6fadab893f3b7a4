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
    """The trials at points that a key names."""
    space, count = check_space(space), check_count("trials", trials)
    seed = np.asarray(jax.random.key_data(check_key(key))).tolist()
    return [trial_at(space, p) for p in points(np.random.default_rng(seed), count, len(space))]


def trial_at(space: Space, point: Iterable[float]) -> dict[str, Any]:
    """The hyperparameters at a point of the unit cube, rounded to what the trainings see."""
    pairs = zip(space.items(), point, strict=True)
    return active(space, {name: rounded(d.quantile(float(u))) for (name, d), u in pairs})
