"""Gradient estimators, one a file: each takes a loss or a `GradFn` and returns a `GradFn`.

Apart from them, `adversarial` returns a loss, `poisson` a trainer, and `epsilon` and
`noise_multiplier_for` are the accounting of `private`.
"""

from paramjax.step._state import Masked
from paramjax.step.grads._accumulate import accumulate
from paramjax.step.grads._adversarial import adversarial
from paramjax.step.grads._conflict_averse import conflict_averse
from paramjax.step.grads._evolution import evolution
from paramjax.step.grads._forward_gradient import forward_gradient
from paramjax.step.grads._loss_scale import LossScale, Scale, dynamic_loss_scale
from paramjax.step.grads._per_example import per_example
from paramjax.step.grads._poisson import poisson
from paramjax.step.grads._privacy_budget import epsilon, noise_multiplier_for
from paramjax.step.grads._private import private
from paramjax.step.grads._spsa import spsa
from paramjax.step.grads._surgery import average_tasks, project_conflicting, surgery

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
