"""Gradient transformations: the common chain, and the registry of optimizers."""

from paramjax.optim.by_path import by_path
from paramjax.optim.chains import chain
from paramjax.optim.learning_rate import LearningRateState, scale_by_learning_rate
from paramjax.optim.optimizer import Optimizer
from paramjax.optim.registry import REGISTRY, get

__all__ = [
    "REGISTRY",
    "LearningRateState",
    "Optimizer",
    "by_path",
    "chain",
    "get",
    "scale_by_learning_rate",
]
