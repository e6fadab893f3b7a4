"""Checkpoints: a pytree on disk that survives kills and flipped bits."""

from paramjax._locks import RunInUse
from paramjax.checkpoints._checkpoints import Checkpoints, Keep
from paramjax.checkpoints._inspect import CheckpointInfo, inspect
from paramjax.checkpoints._restore import DamageWarning, ProgramWarning
from paramjax.checkpoints._store import CheckpointStore, Saved, SaveWarning

__all__ = [
    "CheckpointInfo",
    "CheckpointStore",
    "Checkpoints",
    "DamageWarning",
    "Keep",
    "ProgramWarning",
    "RunInUse",
    "SaveWarning",
    "Saved",
    "inspect",
]
