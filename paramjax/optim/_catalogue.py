"""The catalogue: name -> optimizer, with its search space and the paper it comes from.

To add an optimizer, add one row to `_ROWS`.

The spaces are made for comparisons by few trials, in which every hyperparameter that is searched
costs trials of the others (Sivaprasad et al., 2020, Optimizer benchmarking needs to account for
hyperparameter tuning): so the learning rate alone is searched, and decays of averages and of
weights keep usual values (0.01 for AdamW and NAdamW, ten times as much for Lion, as Chen et al.,
2023, advise). Searched over four decades, the weight decay nearly doubled the spread of Lion's
scores between searches of six trials. Each learning rate spans three decades, around where its
kind of update learns: plain gradients, gradients summed by momentum (a tenth of that), gradients
divided by their size, and signs (a tenth of that).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import optax

from paramjax._checks import check_rate, nearest
from paramjax._types import Array, Schedule
from paramjax.optim._chain import chain
from paramjax.space import Space, log_uniform


@dataclass(frozen=True)
class Optimizer:
    """An optimizer with the range in which its hyperparameters are searched.

    Attributes:
        name: The name that users type.
        factory: `(learning_rate, **hyperparameters) -> optax.GradientTransformation`; every
            name in `space` is one of its keyword arguments and may be traced. Factories of the
            catalogue also take `clip_norm` and `weight_decay`, as `chain` does.
        space: Hyperparameter name -> distribution.
        source: Author, year and title of what it comes from, or the user's file.
        extra_args: Which of optax's extra arguments its update takes in a benchmark: `grad` (the
            gradient before clipping), `grad_fn`, `value_fn`, `obj_fn`. The loss, `value`, is
            always there.
        schedule: What it does over the steps, in words, for the report; empty if nothing.

    Example:
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


def _chained(
    direction: Callable[..., optax.GradientTransformation],
    learning_rate: float | Array | Schedule,
    *,
    clip_norm: float | None = None,
    weight_decay: float | Array = 0.0,
    **hyperparameters: Any,
) -> optax.GradientTransformation:
    """The common chain around one of optax's directions."""
    for name in ("b1", "b2", "decay", "momentum"):
        if name in hyperparameters:
            check_rate(name, hyperparameters[name], high=1.0)
    return chain(
        direction(**hyperparameters), learning_rate, clip_norm=clip_norm, weight_decay=weight_decay
    )


def _trace(
    momentum: float | Array = 0.9, *, nesterov: bool = False
) -> optax.GradientTransformation:
    """`optax.trace` with the name that `optax.sgd` gives to its decay."""
    return optax.trace(momentum, nesterov)


_ROWS = (
    Optimizer(
        "sgd",
        partial(_chained, optax.identity),
        {"learning_rate": log_uniform(1e-2, 10.0)},
        "Robbins and Monro (1951), A stochastic approximation method",
    ),
    Optimizer(
        "momentum",
        partial(_chained, _trace),
        {"learning_rate": log_uniform(1e-3, 1.0)},
        "Polyak (1964), Some methods of speeding up the convergence of iteration methods",
    ),
    Optimizer(
        "nesterov",
        partial(_chained, _trace, nesterov=True),
        {"learning_rate": log_uniform(1e-3, 1.0)},
        "Nesterov (1983), A method for solving a convex programming problem with rate 1/k^2",
    ),
    Optimizer(
        "adagrad",
        partial(_chained, optax.scale_by_rss),
        {"learning_rate": log_uniform(1e-3, 1.0)},
        "Duchi, Hazan and Singer (2011), Adaptive subgradient methods",
    ),
    Optimizer(
        "rmsprop",
        partial(_chained, optax.scale_by_rms),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Tieleman and Hinton (2012), Lecture 6.5, Neural networks for machine learning",
    ),
    Optimizer(
        "adam",
        partial(_chained, optax.scale_by_adam),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Kingma and Ba (2015), Adam: a method for stochastic optimization, algorithm 1",
    ),
    Optimizer(
        "adamw",
        partial(_chained, optax.scale_by_adam, weight_decay=1e-2),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Loshchilov and Hutter (2019), Decoupled weight decay regularization, algorithm 2",
    ),
    Optimizer(
        "nadamw",
        partial(_chained, optax.scale_by_adam, nesterov=True, weight_decay=1e-2),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Dozat (2016), Incorporating Nesterov momentum into Adam",
    ),
    Optimizer(
        "lion",
        partial(_chained, optax.scale_by_lion, weight_decay=1e-1),
        {"learning_rate": log_uniform(1e-5, 1e-2)},
        "Chen et al. (2023), Symbolic discovery of optimization algorithms, algorithm 2",
    ),
)

CATALOGUE: dict[str, Optimizer] = {row.name: row for row in _ROWS}
"""Name -> optimizer, in the order in which `paramjax list` prints them."""


def get(name: str) -> Optimizer:
    """The optimizer of that name.

    Args:
        name: A name in `CATALOGUE`.

    Returns:
        Its factory, search space and source.

    Raises:
        ValueError: If the name is unknown; the message lists the nearest known ones.

    Example:
        >>> sorted(get("adamw").space)
        ['learning_rate']
    """
    if name not in CATALOGUE:
        raise ValueError(nearest(name, CATALOGUE, what="optimizer"))
    return CATALOGUE[name]
