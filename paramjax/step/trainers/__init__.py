"""Trainers of more than one player, client, level or device."""

from paramjax.step.trainers._alternating import alternating
from paramjax.step.trainers._federated import federated
from paramjax.step.trainers._meta import adapt, meta_loss
from paramjax.step.trainers._shard import shard
from paramjax.step.trainers._simultaneous import simultaneous

__all__ = ["adapt", "alternating", "federated", "meta_loss", "shard", "simultaneous"]
