"""The engine of populations: what a run computes, compiled at any width, trained in chunks."""

from paramjax.sweep.engine.cohort import Cohort
from paramjax.sweep.engine.layout import Layout
from paramjax.sweep.engine.part import Part, records
from paramjax.sweep.engine.points import evaluation_steps
from paramjax.sweep.engine.population import Evaluate, MakeTrainer, Population, needs_structure
from paramjax.sweep.engine.reads import UnknownHyperparameterError
from paramjax.sweep.engine.starts import Starts, prepare_starts

__all__ = [
    "Cohort",
    "Evaluate",
    "Layout",
    "MakeTrainer",
    "Part",
    "Population",
    "Starts",
    "UnknownHyperparameterError",
    "evaluation_steps",
    "needs_structure",
    "prepare_starts",
    "records",
]
