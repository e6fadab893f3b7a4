"""Losses per example, the mean that makes a LossFn of them, and functions of LossFns."""

from paramjax.losses._augmented import augmented
from paramjax.losses._backward import frozen, remat
from paramjax.losses._distillation import distillation
from paramjax.losses._multitask import uncertainty_weighted, weighted_sum
from paramjax.losses._per_example import (
    binary_cross_entropy,
    cross_entropy,
    smoothed_cross_entropy,
    squared_error,
)
from paramjax.losses._precision import mixed_precision
from paramjax.losses._regularisers import l1, l2
from paramjax.losses._scheduled import at_step, scheduled
from paramjax.losses._supervised import supervised

__all__ = [
    "at_step",
    "augmented",
    "binary_cross_entropy",
    "cross_entropy",
    "distillation",
    "frozen",
    "l1",
    "l2",
    "mixed_precision",
    "remat",
    "scheduled",
    "smoothed_cross_entropy",
    "squared_error",
    "supervised",
    "uncertainty_weighted",
    "weighted_sum",
]
