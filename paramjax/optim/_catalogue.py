"""The catalogue: name -> optimizer, with its search space and the paper it comes from.

To add an optimizer, add one row: to `_STANDARD` here if `paramjax bench` shall compare it by
default, else to `_variants` or, if it finds its learning rate, to `_rate_free_rows`.

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

from functools import partial

import optax

from paramjax._checks import nearest
from paramjax.optim._optimizer import Optimizer, chained, trace
from paramjax.optim._rate_free_rows import RATE_FREE
from paramjax.optim._variants import VARIANTS
from paramjax.space import log_uniform

_STANDARD = (
    Optimizer(
        "sgd",
        partial(chained, optax.identity),
        {"learning_rate": log_uniform(1e-2, 10.0)},
        "Robbins and Monro (1951), A stochastic approximation method",
    ),
    Optimizer(
        "momentum",
        partial(chained, trace),
        {"learning_rate": log_uniform(1e-3, 1.0)},
        "Polyak (1964), Some methods of speeding up the convergence of iteration methods",
    ),
    Optimizer(
        "nesterov",
        partial(chained, trace, nesterov=True),
        {"learning_rate": log_uniform(1e-3, 1.0)},
        "Nesterov (1983), A method for solving a convex programming problem with rate 1/k^2",
    ),
    Optimizer(
        "adagrad",
        partial(chained, optax.scale_by_rss),
        {"learning_rate": log_uniform(1e-3, 1.0)},
        "Duchi, Hazan and Singer (2011), Adaptive subgradient methods",
    ),
    Optimizer(
        "rmsprop",
        partial(chained, optax.scale_by_rms),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Tieleman and Hinton (2012), Lecture 6.5, Neural networks for machine learning",
    ),
    Optimizer(
        "adam",
        partial(chained, optax.scale_by_adam),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Kingma and Ba (2015), Adam: a method for stochastic optimization, algorithm 1",
    ),
    Optimizer(
        "adamw",
        partial(chained, optax.scale_by_adam, weight_decay=1e-2),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Loshchilov and Hutter (2019), Decoupled weight decay regularization, algorithm 2",
    ),
    Optimizer(
        "nadamw",
        partial(chained, optax.scale_by_adam, nesterov=True, weight_decay=1e-2),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Dozat (2016), Incorporating Nesterov momentum into Adam",
    ),
    Optimizer(
        "lion",
        partial(chained, optax.scale_by_lion, weight_decay=1e-1),
        {"learning_rate": log_uniform(1e-5, 1e-2)},
        "Chen et al. (2023), Symbolic discovery of optimization algorithms, algorithm 2",
    ),
)

STANDARD = tuple(row.name for row in _STANDARD)
"""The names that `paramjax bench` compares by default: what is usual, and affordable together."""

CATALOGUE: dict[str, Optimizer] = {row.name: row for row in (*_STANDARD, *VARIANTS, *RATE_FREE)}
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
