"""One step: gradients, the training state, `train_step`, hooks and trainers."""

from paramjax.step._assemble import assemble
from paramjax.step._gradients import GradFn, gradient
from paramjax.step._state import KeptOnReject, Trainer, TrainState, scan_steps
from paramjax.step._train_step import train_step

__all__ = [
    "GradFn",
    "KeptOnReject",
    "TrainState",
    "Trainer",
    "assemble",
    "gradient",
    "scan_steps",
    "train_step",
]
