"""Populations: many trainings as one program."""

from paramjax.sweep.cross_validate import cross_validate
from paramjax.sweep.cross_validation import CrossValidation
from paramjax.sweep.designs import Design, grid, random_design, sobol_design
from paramjax.sweep.population import Population, evaluation_steps
from paramjax.sweep.runs import DIVERGED, FINISHED, Record, Run
from paramjax.sweep.starts import Starts, prepare_starts
from paramjax.sweep.sweep import Sweep, Trial, sweep

__all__ = [
    "DIVERGED",
    "FINISHED",
    "CrossValidation",
    "Design",
    "Population",
    "Record",
    "Run",
    "Starts",
    "Sweep",
    "Trial",
    "cross_validate",
    "evaluation_steps",
    "grid",
    "prepare_starts",
    "random_design",
    "sobol_design",
    "sweep",
]
