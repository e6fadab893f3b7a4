"""Search spaces: how one hyperparameter is drawn from a point of the unit interval.

They stand below `optim` and `sweep` because both speak of them: the registry
gives every optimizer its space, the sweep draws trials from it.
"""

from paramjax.space.check import check_space
from paramjax.space.choice import Choice, choice
from paramjax.space.conditional import Conditional, active, conditional, exists
from paramjax.space.distribution import Distribution, Space
from paramjax.space.integer import Integer, integer
from paramjax.space.log_uniform import LogUniform, log_uniform
from paramjax.space.tracing import is_structural, structure, traced
from paramjax.space.uniform import Uniform, uniform

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
