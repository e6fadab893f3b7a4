"""Gradient transformations and schedules: chains, adjustable rates, the catalogue of optimizers."""

from paramjax.optim._adjustable import AdjustableState, adjustable_rate, can_lower, lower_rate
from paramjax.optim._by_path import by_path
from paramjax.optim._catalogue import CATALOGUE, STANDARD, get
from paramjax.optim._chain import LearningRateState, chain, scale_by_learning_rate
from paramjax.optim._named_schedules import SCHEDULES, schedule
from paramjax.optim._optimizer import Optimizer
from paramjax.optim._piecewise_schedules import (
    cosine_onecycle_schedule,
    linear_onecycle_schedule,
    piecewise_constant_schedule,
    piecewise_interpolate_schedule,
)
from paramjax.optim._plateau import PlateauState, has_plateau, reduce_on_plateau, update_plateau
from paramjax.optim._schedules import (
    exponential_decay,
    sgdr_schedule,
    warmup_cosine_decay_schedule,
    warmup_exponential_decay_schedule,
)

__all__ = [
    "CATALOGUE",
    "SCHEDULES",
    "STANDARD",
    "AdjustableState",
    "LearningRateState",
    "Optimizer",
    "PlateauState",
    "adjustable_rate",
    "by_path",
    "can_lower",
    "chain",
    "cosine_onecycle_schedule",
    "exponential_decay",
    "get",
    "has_plateau",
    "linear_onecycle_schedule",
    "lower_rate",
    "piecewise_constant_schedule",
    "piecewise_interpolate_schedule",
    "reduce_on_plateau",
    "scale_by_learning_rate",
    "schedule",
    "sgdr_schedule",
    "update_plateau",
    "warmup_cosine_decay_schedule",
    "warmup_exponential_decay_schedule",
]
