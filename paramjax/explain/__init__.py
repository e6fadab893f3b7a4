"""Which inputs drive an output: gradients, integrated gradients, permutation importance."""

from paramjax.explain._gradients import input_gradients, smooth_grad
from paramjax.explain._integrated import IntegratedGradients, integrated_gradients
from paramjax.explain._permutation import Importance, permutation_importance

__all__ = [
    "Importance",
    "IntegratedGradients",
    "input_gradients",
    "integrated_gradients",
    "permutation_importance",
    "smooth_grad",
]
