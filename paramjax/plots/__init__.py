"""Figures of runs and sweeps, drawn from arrays and records."""

from paramjax.plots._figure import figure
from paramjax.plots._learning_rate_curve import learning_rate_curve
from paramjax.plots._parallel_coordinates import parallel_coordinates

__all__ = ["figure", "learning_rate_curve", "parallel_coordinates"]
