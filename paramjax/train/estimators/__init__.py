"""Gradient estimators, each a GradFn or what makes one, one a file."""

from paramjax.train.estimators.accumulate import accumulate
from paramjax.train.estimators.adversarial import adversarial
from paramjax.train.estimators.conflict_averse import conflict_averse
from paramjax.train.estimators.evolution import evolution
from paramjax.train.estimators.forward_gradient import forward_gradient
from paramjax.train.estimators.loss_scale import LossScale, Scale, dynamic_loss_scale
from paramjax.train.estimators.masked import Masked
from paramjax.train.estimators.per_example import per_example
from paramjax.train.estimators.poisson import poisson
from paramjax.train.estimators.privacy import epsilon, noise_multiplier_for
from paramjax.train.estimators.private import private
from paramjax.train.estimators.project_conflicting import project_conflicting
from paramjax.train.estimators.spsa import spsa
from paramjax.train.estimators.surgery import average_tasks, surgery

__all__ = [
    "LossScale",
    "Masked",
    "Scale",
    "accumulate",
    "adversarial",
    "average_tasks",
    "conflict_averse",
    "dynamic_loss_scale",
    "epsilon",
    "evolution",
    "forward_gradient",
    "noise_multiplier_for",
    "per_example",
    "poisson",
    "private",
    "project_conflicting",
    "spsa",
    "surgery",
]
