"""Rows of the catalogue for variants of its standard optimizers, all on the common chain."""

from __future__ import annotations

from functools import partial
from typing import Any

import optax
from optax import contrib

from paramjax._types import Array
from paramjax.optim._optimizer import Optimizer, chained, trace
from paramjax.space import log_uniform


def _signum(momentum: float | Array = 0.9) -> optax.GradientTransformation:
    return optax.chain(trace(momentum), optax.scale_by_sign())


def _lamb(**hyperparameters: Any) -> optax.GradientTransformation:
    """Adam's direction with the length of each array's parameters."""
    adam = optax.scale_by_adam(**{"eps": 1e-6, **hyperparameters})
    return optax.chain(adam, optax.scale_by_trust_ratio())


VARIANTS = (
    Optimizer(
        "sign_sgd",
        partial(chained, optax.scale_by_sign),
        {"learning_rate": log_uniform(1e-5, 1e-2)},
        "Bernstein et al. (2018), signSGD: compressed optimisation for non-convex problems",
    ),
    Optimizer(
        "signum",
        partial(chained, _signum),
        {"learning_rate": log_uniform(1e-5, 1e-2)},
        "Bernstein et al. (2018), signSGD, algorithm 2: with momentum",
    ),
    Optimizer(
        "adadelta",
        partial(chained, optax.scale_by_adadelta),
        {"learning_rate": log_uniform(1e-2, 10.0)},
        "Zeiler (2012), ADADELTA: an adaptive learning rate method",
    ),
    Optimizer(
        "adamax",
        partial(chained, optax.scale_by_adamax),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Kingma and Ba (2015), Adam: a method for stochastic optimization, algorithm 2",
    ),
    Optimizer(
        "nadam",
        partial(chained, optax.scale_by_adam, nesterov=True),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Dozat (2016), Incorporating Nesterov momentum into Adam",
    ),
    Optimizer(
        "amsgrad",
        partial(chained, optax.scale_by_amsgrad),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Reddi, Kale and Kumar (2018), On the convergence of Adam and beyond",
    ),
    Optimizer(
        "yogi",
        partial(chained, optax.scale_by_yogi),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Zaheer et al. (2018), Adaptive methods for nonconvex optimization",
    ),
    Optimizer(
        "radam",
        partial(chained, optax.scale_by_radam),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Liu et al. (2020), On the variance of the adaptive learning rate and beyond",
    ),
    Optimizer(
        "adabelief",
        partial(chained, optax.scale_by_belief),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Zhuang et al. (2020), AdaBelief optimizer",
    ),
    Optimizer(
        "novograd",
        partial(chained, optax.scale_by_novograd, eps=1e-6),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Ginsburg et al. (2019), Stochastic gradient methods with layer-wise adaptive moments",
    ),
    Optimizer(
        "lamb",
        partial(chained, _lamb),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "You et al. (2020), Large batch optimization for deep learning, algorithm 2",
    ),
    Optimizer(
        "adan",
        partial(chained, optax.scale_by_adan, eps_root=1e-8),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Xie et al. (2022), Adan: adaptive Nesterov momentum algorithm",
    ),
    Optimizer(
        "adopt",
        partial(chained, contrib.scale_by_adopt),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Taniguchi et al. (2024), ADOPT: modified Adam can converge with any beta2",
    ),
    Optimizer(
        "ademamix",
        partial(chained, contrib.scale_by_ademamix, alpha=5.0),
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Pagliardini, Ablin and Grangier (2024), The AdEMAMix optimizer",
    ),
)
"""Whose learning rate is searched, as that of the standard ones."""
