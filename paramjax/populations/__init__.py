"""Populations: many runs as few compiled programs."""

from paramjax.populations._execution import Execution, Layout
from paramjax.populations._outcome import ChunkResult, records
from paramjax.populations._population import Population
from paramjax.populations._problem import Problem
from paramjax.populations._seed_rows import SeedRows
from paramjax.populations._starts import Starts, prepare_starts
from paramjax.populations._traced_trainer import UnknownHyperparameterError
from paramjax.populations._trial_run import Record, TrialRun, evaluation_steps
from paramjax.populations.planning._execution_plan import Candidate, ExecutionPlan, GroupPlan

__all__ = [
    "Candidate",
    "ChunkResult",
    "Execution",
    "ExecutionPlan",
    "GroupPlan",
    "Layout",
    "Population",
    "Problem",
    "Record",
    "SeedRows",
    "Starts",
    "TrialRun",
    "UnknownHyperparameterError",
    "evaluation_steps",
    "prepare_starts",
    "records",
]
