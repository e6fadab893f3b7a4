"""Losses per example, the mean that makes a LossFn of them, and functions of LossFns."""

from paramjax.losses._adversarial import (
    AdversarialPair,
    adversarial,
    gradient_penalty,
    hinge_pair,
    least_squares_pair,
    minimax_pair,
    nonsaturating_pair,
    wasserstein_pair,
)
from paramjax.losses._augmented import augmented
from paramjax.losses._backward import frozen, remat
from paramjax.losses._distillation import distillation
from paramjax.losses._elbo import (
    bernoulli_log_likelihood,
    gaussian_kl,
    gaussian_log_likelihood,
    importance_weighted_bound,
    negative_elbo,
)
from paramjax.losses._errors import absolute_error, huber, pinball, poisson, squared_error
from paramjax.losses._margins import focal, hinge, squared_hinge
from paramjax.losses._multitask import uncertainty_weighted, weighted_sum
from paramjax.losses._per_example import (
    binary_cross_entropy,
    cross_entropy,
    smoothed_binary_cross_entropy,
    smoothed_cross_entropy,
)
from paramjax.losses._precision import mixed_precision
from paramjax.losses._reconstruction import reconstruction
from paramjax.losses._regularisers import l1, l2
from paramjax.losses._scheduled import at_step, scheduled
from paramjax.losses._supervised import supervised

__all__ = [
    "AdversarialPair",
    "absolute_error",
    "adversarial",
    "at_step",
    "augmented",
    "bernoulli_log_likelihood",
    "binary_cross_entropy",
    "cross_entropy",
    "distillation",
    "focal",
    "frozen",
    "gaussian_kl",
    "gaussian_log_likelihood",
    "gradient_penalty",
    "hinge",
    "hinge_pair",
    "huber",
    "importance_weighted_bound",
    "l1",
    "l2",
    "least_squares_pair",
    "minimax_pair",
    "mixed_precision",
    "negative_elbo",
    "nonsaturating_pair",
    "pinball",
    "poisson",
    "reconstruction",
    "remat",
    "scheduled",
    "smoothed_binary_cross_entropy",
    "smoothed_cross_entropy",
    "squared_error",
    "squared_hinge",
    "supervised",
    "uncertainty_weighted",
    "wasserstein_pair",
    "weighted_sum",
]
