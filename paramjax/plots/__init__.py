"""Figures of runs, populations and comparisons, drawn from arrays and records."""

from paramjax.plots._estimate_figures import (
    correlation_matrix,
    estimate_intervals,
    fitted_curve,
    panel_figure,
    profile_curve,
    residual_quantiles,
    residual_scatter,
)
from paramjax.plots._forest import ComparisonRecord, DecisionRecord, forest_figure
from paramjax.plots._learning_curves import learning_curves
from paramjax.plots._learning_rate_curve import learning_rate_curve
from paramjax.plots._overview import overview
from paramjax.plots._parallel_coordinates import parallel_coordinates
from paramjax.plots._records import Distribution, TrainingRecord
from paramjax.plots._reliability_diagram import CalibrationRecord, reliability_diagram
from paramjax.plots._run_curves import run_curves
from paramjax.plots._saliency_maps import saliency_maps

__all__ = [
    "CalibrationRecord",
    "ComparisonRecord",
    "DecisionRecord",
    "Distribution",
    "TrainingRecord",
    "correlation_matrix",
    "estimate_intervals",
    "fitted_curve",
    "forest_figure",
    "learning_curves",
    "learning_rate_curve",
    "overview",
    "panel_figure",
    "parallel_coordinates",
    "profile_curve",
    "reliability_diagram",
    "residual_quantiles",
    "residual_scatter",
    "run_curves",
    "saliency_maps",
]
