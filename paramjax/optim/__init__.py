"""Gradient transformations: the common chain, and the registry of optimizers."""

from paramjax.optim._adjustable import AdjustableState, adjustable_rate
from paramjax.optim._by_path import by_path
from paramjax.optim._chains import chain
from paramjax.optim._learning_rate import LearningRateState, scale_by_learning_rate
from paramjax.optim._optimizer import Optimizer
from paramjax.optim._plateau import (
    PlateauState,
    can_lower,
    has_plateau,
    lower_rate,
    reduce_on_plateau,
    validated,
)
from paramjax.optim._registry import REGISTRY, get

__all__ = [
    "REGISTRY",
    "AdjustableState",
    "LearningRateState",
    "Optimizer",
    "PlateauState",
    "adjustable_rate",
    "by_path",
    "can_lower",
    "chain",
    "get",
    "has_plateau",
    "lower_rate",
    "reduce_on_plateau",
    "scale_by_learning_rate",
    "validated",
]
