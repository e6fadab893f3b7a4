"""An optimizer with its search space, and how the catalogue makes one of optax's directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optax

from paramjax._checks import check_rate
from paramjax._types import Array, Schedule
from paramjax.optim._chain import chain
from paramjax.space import Space


@dataclass(frozen=True)
class Optimizer:
    """An optimizer with the range in which its hyperparameters are searched.

    Attributes:
        name: The name that users type.
        factory: `(learning_rate, **hyperparameters) -> optax.GradientTransformation`; every
            name in `space` is one of its keyword arguments and may be traced. Factories of the
            catalogue also take `clip_value`, `clip_block_norm`, `clip_norm` and `l2` as `chain`
            does, and `weight_decay` unless their method has no place for it.
        space: Hyperparameter name -> distribution; empty for a method that finds its learning
            rate, of which every trial is the same training.
        source: Author, year and title of what it comes from, or the user's file.
        extra_args: Which of optax's extra arguments its update takes in a benchmark: `grad` (the
            gradient before clipping), `grad_fn`, `value_fn`, `obj_fn`. The loss, `value`, is
            always there.
        schedule: What it does over the steps, in words, for the report; empty if nothing.

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
    extra_args: tuple[str, ...] = ()
    schedule: str = ""


def chained(
    direction: Callable[..., optax.GradientTransformation],
    learning_rate: float | Array | Schedule,
    *,
    clip_value: float | Array | None = None,
    clip_block_norm: float | Array | None = None,
    clip_norm: float | Array | None = None,
    l2: float | Array = 0.0,
    weight_decay: float | Array = 0.0,
    **hyperparameters: Any,
) -> optax.GradientTransformation:
    """The common chain around one of optax's directions."""
    for name in ("b1", "b2", "b3", "decay", "momentum", "rho"):
        if name in hyperparameters:
            check_rate(name, hyperparameters[name], high=1.0)
    return chain(
        direction(**hyperparameters), learning_rate, clip_value=clip_value,
        clip_block_norm=clip_block_norm, clip_norm=clip_norm, l2=l2, weight_decay=weight_decay,
    )  # fmt: skip


def trace(momentum: float | Array = 0.9, *, nesterov: bool = False) -> optax.GradientTransformation:
    """`optax.trace` with the name that `optax.sgd` gives to its decay."""
    return optax.trace(momentum, nesterov)
