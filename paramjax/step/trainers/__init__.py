"""Trainers of several players, clients, levels or devices, one a file.

`alternating`, `federated` and `shard` return a trainer, `simultaneous` a `GradFn`, and
`adapt` and `meta_loss` functions that train inside, all for `pj.train_step`.
"""

from paramjax.step.trainers._alternating import alternating
from paramjax.step.trainers._federated import federated
from paramjax.step.trainers._meta import adapt, meta_loss
from paramjax.step.trainers._shard import shard
from paramjax.step.trainers._simultaneous import simultaneous

__all__ = ["adapt", "alternating", "federated", "meta_loss", "shard", "simultaneous"]
