"""paramjax: functional optimisation on JAX.

Compose training steps out of pure functions, train whole populations as few programs, and
ask of an optimizer whether it is better. Start at docs/five_minutes.md.
"""

from typing import TYPE_CHECKING

from paramjax import _cache as _cache  # on from here
from paramjax import _collector as _collector  # which leaves out what jax made
from paramjax import (
    checkpoints,
    data,
    logs,
    losses,
    metrics,
    optim,
    runs,
    space,
    step,
)
from paramjax._namespaces import __dir__ as __dir__
from paramjax._namespaces import __getattr__ as __getattr__
from paramjax._version import __version__ as __version__
from paramjax.checkpoints import Checkpoints
from paramjax.runs import EarlyStopping, Fit, NonFiniteError, Rollback, Status, Validation, fit
from paramjax.space import choice, conditional, integer, log_uniform, uniform
from paramjax.step import GradFn, Trainer, TrainState, gradient, grads, hooks, train_step, trainers
from paramjax.step.hooks import Hook

if TYPE_CHECKING:
    from paramjax import bench, estimate, explain, models, plots, populations, tuning, verify
    from paramjax.bench import compare
    from paramjax.populations import Execution, Problem
    from paramjax.tuning import Sweep, cross_validate, search, sweep

__all__ = [
    "Checkpoints",
    "EarlyStopping",
    "Execution",
    "Fit",
    "GradFn",
    "Hook",
    "NonFiniteError",
    "Problem",
    "Rollback",
    "Status",
    "Sweep",
    "TrainState",
    "Trainer",
    "Validation",
    "bench",
    "checkpoints",
    "choice",
    "compare",
    "conditional",
    "cross_validate",
    "data",
    "estimate",
    "explain",
    "fit",
    "gradient",
    "grads",
    "hooks",
    "integer",
    "log_uniform",
    "logs",
    "losses",
    "metrics",
    "models",
    "optim",
    "plots",
    "populations",
    "runs",
    "search",
    "space",
    "step",
    "sweep",
    "train_step",
    "trainers",
    "tuning",
    "uniform",
    "verify",
]
