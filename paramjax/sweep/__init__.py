"""Populations: many trainings as one program."""

from paramjax.sweep.cross_validate import cross_validate
from paramjax.sweep.cross_validation import CrossValidation
from paramjax.sweep.designs import Design, grid, random_design, sobol_design
from paramjax.sweep.engine import (
    Layout,
    Part,
    Population,
    Starts,
    evaluation_steps,
    prepare_starts,
    records,
)
from paramjax.sweep.result import Sweep, Trial
from paramjax.sweep.runs import DIVERGED, FINISHED, STOPPED, Record, Run
from paramjax.sweep.store import DamagedError, StoreMismatchError
from paramjax.sweep.sweep import sweep

__all__ = [
    "DIVERGED",
    "FINISHED",
    "STOPPED",
    "CrossValidation",
    "DamagedError",
    "Design",
    "Layout",
    "Part",
    "Population",
    "Record",
    "Run",
    "Starts",
    "StoreMismatchError",
    "Sweep",
    "Trial",
    "cross_validate",
    "evaluation_steps",
    "grid",
    "prepare_starts",
    "random_design",
    "records",
    "sobol_design",
    "sweep",
]
