"""What the registry and the benchmark know of an optimizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import optax

from paramjax.space._distribution import Space


@dataclass(frozen=True)
class Optimizer:
    """An optimizer with the range in which its hyperparameters are searched.

    Attributes:
        name: The name users type.
        factory: `(**hyperparameters) -> optax.GradientTransformation`; every name in
            `space` is one of its keyword arguments and may be traced.
        space: Hyperparameter name -> distribution.
        source: Author, year and title of what it comes from, or the user's file.

    Example:
        >>> from paramjax import log_uniform
        >>> own = Optimizer("own", optax.sgd, {"learning_rate": log_uniform(1e-3, 1.0)}, "mine")
        >>> isinstance(own.factory(learning_rate=0.1), optax.GradientTransformation)
        True
    """

    name: str
    factory: Callable[..., optax.GradientTransformation]
    space: Space
    source: str
