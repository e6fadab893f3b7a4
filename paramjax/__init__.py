"""paramjax: functional optimisation on JAX.

Compose training steps out of pure functions, train whole populations as one program, and
ask of an optimizer whether it is better. Start at docs/five_minutes.md.
"""

from paramjax import data, losses, optim
from paramjax.space import choice, log_uniform, uniform
from paramjax.sweep.sweep import Sweep, sweep
from paramjax.train.gradients import GradFn, gradient
from paramjax.train.hooks import Hook, ema, skip_nonfinite
from paramjax.train.loop import Fit, fit
from paramjax.train.state import Trainer, TrainState
from paramjax.train.step import train_step

__version__ = "0.1.0"

__all__ = [
    "Fit",
    "GradFn",
    "Hook",
    "Sweep",
    "TrainState",
    "Trainer",
    "choice",
    "data",
    "ema",
    "fit",
    "gradient",
    "log_uniform",
    "losses",
    "optim",
    "skip_nonfinite",
    "sweep",
    "train_step",
    "uniform",
]
