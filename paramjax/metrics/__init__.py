"""Metrics per example."""

from paramjax.metrics._accuracy import accuracy, binary_accuracy

__all__ = ["accuracy", "binary_accuracy"]
