"""Losses per example, the mean that makes a LossFn of them, and what composes LossFns."""

from paramjax.losses.accuracy import accuracy, binary_accuracy
from paramjax.losses.augmented import augmented
from paramjax.losses.cross_entropy import binary_cross_entropy, cross_entropy
from paramjax.losses.distillation import distillation
from paramjax.losses.frozen import frozen
from paramjax.losses.multitask import uncertainty_weighted, weighted_sum
from paramjax.losses.precision import mixed_precision
from paramjax.losses.regularisers import l1, l2
from paramjax.losses.remat import remat
from paramjax.losses.smoothed_cross_entropy import smoothed_cross_entropy
from paramjax.losses.squared_error import squared_error
from paramjax.losses.supervised import supervised

__all__ = [
    "accuracy",
    "augmented",
    "binary_accuracy",
    "binary_cross_entropy",
    "cross_entropy",
    "distillation",
    "frozen",
    "l1",
    "l2",
    "mixed_precision",
    "remat",
    "smoothed_cross_entropy",
    "squared_error",
    "supervised",
    "uncertainty_weighted",
    "weighted_sum",
]
