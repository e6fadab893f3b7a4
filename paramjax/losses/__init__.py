"""Losses per example, the mean that makes a LossFn of them, and metrics."""

from paramjax.losses.accuracy import accuracy, binary_accuracy
from paramjax.losses.cross_entropy import binary_cross_entropy, cross_entropy
from paramjax.losses.squared_error import squared_error
from paramjax.losses.supervised import supervised

__all__ = [
    "accuracy",
    "binary_accuracy",
    "binary_cross_entropy",
    "cross_entropy",
    "squared_error",
    "supervised",
]
