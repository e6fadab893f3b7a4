"""Metrics per example, and of whole sets."""

from paramjax.metrics._accuracy import accuracy, binary_accuracy, top_k_accuracy
from paramjax.metrics._batches import in_batches
from paramjax.metrics._calibration import (
    CalibrationCurve,
    brier_score,
    calibration_curve,
    calibration_error,
)
from paramjax.metrics._confusion import confusion_matrix, f1, precision, recall
from paramjax.metrics._ranking import RankingCurve, average_precision, ranking_curve, roc_auc
from paramjax.metrics._regression import r_squared
from paramjax.metrics._sums import Sums, mean

__all__ = [
    "CalibrationCurve",
    "RankingCurve",
    "Sums",
    "accuracy",
    "average_precision",
    "binary_accuracy",
    "brier_score",
    "calibration_curve",
    "calibration_error",
    "confusion_matrix",
    "f1",
    "in_batches",
    "mean",
    "precision",
    "r_squared",
    "ranking_curve",
    "recall",
    "roc_auc",
    "top_k_accuracy",
]
