"""Rows of the catalogue for methods that find their learning rate.

Those that leave nothing to search have an empty space: a comparison then sets them untuned beside
optimizers that were tuned. Those that an upper bound or a rate is left to are searched over it,
in the range of their kin.
"""

from __future__ import annotations

from paramjax.optim import _learning_rate_free as methods
from paramjax.optim._optimizer import Optimizer
from paramjax.space import log_uniform

RATE_FREE = (
    Optimizer(
        "prodigy",
        methods.prodigy,
        {},
        "Mishchenko and Defazio (2024), Prodigy: an expeditiously adaptive parameter-free learner",
    ),
    Optimizer(
        "dadapt_adamw",
        methods.dadapt_adamw,
        {},
        "Defazio and Mishchenko (2023), Learning-rate-free learning by D-Adaptation",
    ),
    Optimizer(
        "dog",
        methods.dog,
        {},
        "Ivgi, Hinder and Carmon (2023), DoG is SGD's best friend, equation (DoG)",
    ),
    Optimizer(
        "dowg",
        methods.dowg,
        {},
        "Khaled, Mishchenko and Jin (2023), DoWG unleashed, algorithm 1",
    ),
    Optimizer(
        "cocob",
        methods.cocob,
        {},
        "Orabona and Tommasi (2017), Training deep networks without learning rates, algorithm 2",
    ),
    Optimizer(
        "momo",
        methods.momo,
        {"learning_rate": log_uniform(1e-2, 10.0)},
        "Schaipp et al. (2024), MoMo: momentum models for adaptive learning rates, algorithm 1",
    ),
    Optimizer(
        "momo_adam",
        methods.momo_adam,
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Schaipp et al. (2024), MoMo: momentum models for adaptive learning rates, algorithm 2",
    ),
    Optimizer(
        "schedule_free_sgd",
        methods.schedule_free_sgd,
        {"learning_rate": log_uniform(1e-2, 10.0)},
        "Defazio et al. (2024), The road less scheduled, equations 3 to 5",
    ),
    Optimizer(
        "schedule_free_adamw",
        methods.schedule_free_adamw,
        {"learning_rate": log_uniform(1e-4, 1e-1)},
        "Defazio et al. (2024), The road less scheduled, algorithm 1",
    ),
)
