"""Plans: how a population is executed, chosen by measurement and explained."""

from paramjax.sweep.plan.choose import make_plan
from paramjax.sweep.plan.memory import gibibytes
from paramjax.sweep.plan.plan import Candidate, Choice, Plan

__all__ = ["Candidate", "Choice", "Plan", "gibibytes", "make_plan"]
