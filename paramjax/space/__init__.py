"""Search spaces: what a hyperparameter may be."""

from paramjax.space._check import check_space
from paramjax.space._choice import Choice, choice
from paramjax.space._conditional import Conditional, active, conditional, exists
from paramjax.space._distribution import Distribution, Space
from paramjax.space._integer import Integer, integer
from paramjax.space._ranges import LogUniform, Uniform, log_uniform, uniform
from paramjax.space._tracing import is_structural, structure, traced

__all__ = [
    "Choice",
    "Conditional",
    "Distribution",
    "Integer",
    "LogUniform",
    "Space",
    "Uniform",
    "active",
    "check_space",
    "choice",
    "conditional",
    "exists",
    "integer",
    "is_structural",
    "log_uniform",
    "structure",
    "traced",
    "uniform",
]
