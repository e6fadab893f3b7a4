"""Rules that stop trials early."""

from paramjax.sweep.stopping.hyperband import Hyperband, hyperband
from paramjax.sweep.stopping.median_stopping import MedianStopping, median_stopping
from paramjax.sweep.stopping.schedule import Schedule, Stopping
from paramjax.sweep.stopping.successive_halving import SuccessiveHalving, successive_halving

__all__ = [
    "Hyperband",
    "MedianStopping",
    "Schedule",
    "Stopping",
    "SuccessiveHalving",
    "hyperband",
    "median_stopping",
    "successive_halving",
]
