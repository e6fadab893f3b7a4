"""What processes that run one program together must do together about its checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jax.experimental import multihost_utils

NONE = -1
"""The step of a process that found no checkpoint."""


def barrier() -> None:
    """Let no process look for checkpoints before the one that writes them is done.

    Example:
        >>> barrier()
    """
    multihost_utils.sync_global_devices("checkpoints")


def check_same_step(folder: Path, step: int) -> None:
    """Refuse to go on where the processes have not read the same checkpoint.

    Args:
        folder: Where this process has read it.
        step: Its step, or `NONE`.

    Raises:
        ValueError: In every process, if the steps differ.

    Example:
        >>> check_same_step(Path("run"), 7)
    """
    steps = multihost_utils.process_allgather(np.array(step)).reshape(-1).tolist()
    if len(set(steps)) > 1:
        raise ValueError(
            f"checkpoints: expected the same checkpoint in every process, got steps {steps} "
            f"from {folder} ({NONE} is none); choose a folder that all processes share"
        )
