"""A sweep drawn: metric against hyperparameters, parallel coordinates, learning curves."""

from paramjax.sweep.plots.figure import figure
from paramjax.sweep.plots.learning_curves import learning_curves
from paramjax.sweep.plots.learning_rate_curve import learning_rate_curve
from paramjax.sweep.plots.parallel_coordinates import parallel_coordinates

__all__ = ["figure", "learning_curves", "learning_rate_curve", "parallel_coordinates"]
