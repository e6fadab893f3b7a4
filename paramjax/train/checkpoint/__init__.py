"""Checkpoints that survive kills, flipped bits, full disks and other runs."""

from paramjax.train.checkpoint.folder import DamageWarning
from paramjax.train.checkpoint.keep import Keep
from paramjax.train.checkpoint.lock import RunInUse
from paramjax.train.checkpoint.restore import ProgramWarning
from paramjax.train.checkpoint.store import CheckpointStore, Saved, SaveWarning

__all__ = [
    "CheckpointStore",
    "DamageWarning",
    "Keep",
    "ProgramWarning",
    "RunInUse",
    "SaveWarning",
    "Saved",
]
