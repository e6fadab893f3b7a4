"""Gradient transformations: the common chain, adjustable rates, and the catalogue of optimizers."""

from paramjax.optim._adjustable import AdjustableState, adjustable_rate, can_lower, lower_rate
from paramjax.optim._by_path import by_path
from paramjax.optim._catalogue import CATALOGUE, Optimizer, get
from paramjax.optim._chain import LearningRateState, chain, scale_by_learning_rate
from paramjax.optim._plateau import PlateauState, has_plateau, reduce_on_plateau, update_plateau

__all__ = [
    "CATALOGUE",
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
    "update_plateau",
]
