"""Tuning: `sweep`, `search`, `cross_validate`, designs of trials and stopping rules."""

from paramjax.tuning._cross_validate import cross_validate
from paramjax.tuning._cross_validation import CrossValidation
from paramjax.tuning._result import Sweep, Trial
from paramjax.tuning._sweep import sweep
from paramjax.tuning.designs._design import Design, random_design, sobol_design
from paramjax.tuning.designs._grid import grid
from paramjax.tuning.designs._latin import latin_design
from paramjax.tuning.stopping._hyperband import Hyperband, hyperband
from paramjax.tuning.stopping._median_stopping import MedianStopping, median_stopping
from paramjax.tuning.stopping._schedule import Schedule, Stopping
from paramjax.tuning.stopping._successive_halving import SuccessiveHalving, successive_halving
from paramjax.tuning.store._errors import (
    DamagedError,
    StoreMismatchError,
    StoreUnavailableError,
)
from paramjax.tuning.studies._search import search

__all__ = [
    "CrossValidation",
    "DamagedError",
    "Design",
    "Hyperband",
    "MedianStopping",
    "Schedule",
    "Stopping",
    "StoreMismatchError",
    "StoreUnavailableError",
    "SuccessiveHalving",
    "Sweep",
    "Trial",
    "cross_validate",
    "grid",
    "hyperband",
    "latin_design",
    "median_stopping",
    "random_design",
    "search",
    "sobol_design",
    "successive_halving",
    "sweep",
]
