"""paramjax: functional optimisation on JAX.

Compose training steps out of pure functions, train whole populations as one program, and
ask of an optimizer whether it is better. Start at docs/five_minutes.md.
"""

from paramjax import data, losses, optim
from paramjax.space import choice, log_uniform, uniform
from paramjax.sweep.sweep import Sweep, sweep
from paramjax.train.alternating import alternating
from paramjax.train.estimators import privacy
from paramjax.train.estimators.accumulate import accumulate
from paramjax.train.estimators.adversarial import adversarial
from paramjax.train.estimators.conflict_averse import conflict_averse
from paramjax.train.estimators.evolution import evolution
from paramjax.train.estimators.forward_gradient import forward_gradient
from paramjax.train.estimators.loss_scale import dynamic_loss_scale
from paramjax.train.estimators.masked import Masked
from paramjax.train.estimators.per_example import per_example
from paramjax.train.estimators.poisson import poisson
from paramjax.train.estimators.private import private
from paramjax.train.estimators.project_conflicting import project_conflicting
from paramjax.train.estimators.spsa import spsa
from paramjax.train.estimators.surgery import surgery
from paramjax.train.federated import federated
from paramjax.train.gradients import GradFn, gradient
from paramjax.train.hooks import (
    Hook,
    average_metrics,
    best_params,
    ema,
    monitor_groups,
    noise_scale,
    polyak_average,
    sharpness,
    skip_nonfinite,
    skip_spikes,
)
from paramjax.train.loop import Fit, fit
from paramjax.train.meta import adapt, meta_loss
from paramjax.train.shard import shard
from paramjax.train.simultaneous import simultaneous
from paramjax.train.state import Trainer, TrainState
from paramjax.train.step import train_step

__version__ = "0.1.0"

__all__ = [
    "Fit",
    "GradFn",
    "Hook",
    "Masked",
    "Sweep",
    "TrainState",
    "Trainer",
    "accumulate",
    "adapt",
    "adversarial",
    "alternating",
    "average_metrics",
    "best_params",
    "choice",
    "conflict_averse",
    "data",
    "dynamic_loss_scale",
    "ema",
    "evolution",
    "federated",
    "fit",
    "forward_gradient",
    "gradient",
    "log_uniform",
    "losses",
    "meta_loss",
    "monitor_groups",
    "noise_scale",
    "optim",
    "per_example",
    "poisson",
    "polyak_average",
    "privacy",
    "private",
    "project_conflicting",
    "shard",
    "sharpness",
    "simultaneous",
    "skip_nonfinite",
    "skip_spikes",
    "spsa",
    "surgery",
    "sweep",
    "train_step",
    "uniform",
]
