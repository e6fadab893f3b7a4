"""Training steps and runs."""

from paramjax.train.alternating import alternating
from paramjax.train.assemble import assemble
from paramjax.train.checkpoint import DamageWarning, Keep, ProgramWarning, RunInUse, SaveWarning
from paramjax.train.estimators import (
    Masked,
    accumulate,
    adversarial,
    average_tasks,
    conflict_averse,
    dynamic_loss_scale,
    evolution,
    forward_gradient,
    per_example,
    poisson,
    private,
    project_conflicting,
    spsa,
    surgery,
)
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
from paramjax.train.interrupt import InterruptWarning
from paramjax.train.loop import fit
from paramjax.train.meta import adapt, meta_loss
from paramjax.train.nonfinite import NonFiniteError, NonFiniteWarning, Rollback
from paramjax.train.result import Fit
from paramjax.train.scan import scan_steps
from paramjax.train.shard import shard
from paramjax.train.simultaneous import simultaneous
from paramjax.train.state import Surviving, Trainer, TrainState
from paramjax.train.step import train_step
from paramjax.train.validation import EarlyStopping, Validation
from paramjax.train.writers import CSVWriter, JSONLWriter, TensorBoardWriter, Writer, WriterWarning

__all__ = [
    "CSVWriter",
    "DamageWarning",
    "EarlyStopping",
    "Fit",
    "GradFn",
    "Hook",
    "InterruptWarning",
    "JSONLWriter",
    "Keep",
    "Masked",
    "NonFiniteError",
    "NonFiniteWarning",
    "Observation",
    "ProgramWarning",
    "Rollback",
    "RunInUse",
    "SaveWarning",
    "Surviving",
    "TensorBoardWriter",
    "TrainState",
    "Trainer",
    "Validation",
    "Writer",
    "WriterWarning",
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
