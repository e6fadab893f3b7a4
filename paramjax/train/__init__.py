"""Training steps and runs."""

from paramjax.train.alternating import alternating
from paramjax.train.assemble import assemble
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
from paramjax.train.estimators.surgery import average_tasks, surgery
from paramjax.train.federated import federated
from paramjax.train.gradients import GradFn, gradient
from paramjax.train.hooks import (
    Hook,
    Observation,
    average_metrics,
    best_params,
    ema,
    monitor_groups,
    noise_scale,
    polyak_average,
    reject,
    sharpness,
    skip_nonfinite,
    skip_spikes,
)
from paramjax.train.loop import Fit, NonFiniteWarning, fit, scan_steps
from paramjax.train.meta import adapt, meta_loss
from paramjax.train.shard import shard
from paramjax.train.simultaneous import simultaneous
from paramjax.train.state import Surviving, Trainer, TrainState
from paramjax.train.step import train_step

__all__ = [
    "Fit",
    "GradFn",
    "Hook",
    "Masked",
    "NonFiniteWarning",
    "Observation",
    "Surviving",
    "TrainState",
    "Trainer",
    "accumulate",
    "adapt",
    "adversarial",
    "alternating",
    "assemble",
    "average_metrics",
    "average_tasks",
    "best_params",
    "conflict_averse",
    "dynamic_loss_scale",
    "ema",
    "evolution",
    "federated",
    "fit",
    "forward_gradient",
    "gradient",
    "meta_loss",
    "monitor_groups",
    "noise_scale",
    "per_example",
    "poisson",
    "polyak_average",
    "private",
    "project_conflicting",
    "reject",
    "scan_steps",
    "shard",
    "sharpness",
    "simultaneous",
    "skip_nonfinite",
    "skip_spikes",
    "spsa",
    "surgery",
    "train_step",
]
