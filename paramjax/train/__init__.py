"""Training steps and runs."""

from paramjax.train.gradients import GradFn, gradient
from paramjax.train.hooks import Hook, ema, skip_nonfinite
from paramjax.train.loop import Fit, NonFiniteWarning, fit, scan_steps
from paramjax.train.step import Trainer, TrainState, train_step

__all__ = [
    "Fit",
    "GradFn",
    "Hook",
    "NonFiniteWarning",
    "TrainState",
    "Trainer",
    "ema",
    "fit",
    "gradient",
    "scan_steps",
    "skip_nonfinite",
    "train_step",
]
