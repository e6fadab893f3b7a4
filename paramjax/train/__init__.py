"""Training steps and runs."""

from paramjax.train.assemble import assemble
from paramjax.train.gradients import GradFn, gradient
from paramjax.train.hooks import Hook, Observation, ema, skip_nonfinite
from paramjax.train.loop import Fit, NonFiniteWarning, fit, scan_steps
from paramjax.train.state import Trainer, TrainState
from paramjax.train.step import train_step

__all__ = [
    "Fit",
    "GradFn",
    "Hook",
    "NonFiniteWarning",
    "Observation",
    "TrainState",
    "Trainer",
    "assemble",
    "ema",
    "fit",
    "gradient",
    "scan_steps",
    "skip_nonfinite",
    "train_step",
]
