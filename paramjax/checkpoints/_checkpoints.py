"""Where a run keeps its checkpoints, how often, and which stay."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass, field

from paramjax._checks import check_count, describe
from paramjax.checkpoints._folder import absolute
from paramjax.checkpoints._keep import Keep


@dataclass(frozen=True)
class Checkpoints:
    """Where a run keeps its checkpoints, how often it writes one, and which of them stay.

    A run is named by its inputs: the same call with the same folder goes on from the newest good
    checkpoint, another run is refused with what differs. There is a checkpoint at the end, too,
    and one when a run is interrupted. All are written in the background.

    Attributes:
        folder: The folder, which is made if it does not exist.
        every: Steps, positive, or a time between two checkpoints.
        keep: Which checkpoints stay when a new one is complete.
        fresh: Whether to delete the checkpoints in the folder and start over.
        allow_new_program: Whether to go on although the training step computes something else
            than the one that wrote the checkpoint, as with another learning rate or after a
            rewrite; a `ProgramWarning` says so.

    Raises:
        TypeError: If `folder` is not a path, or `every` neither a whole number nor a time.
        ValueError: If `every` is not positive, or `folder` is empty or an address.

    Example:
        >>> Checkpoints("digits", every=500).every
        500
    """

    folder: str | os.PathLike[str]
    every: int | datetime.timedelta = datetime.timedelta(minutes=1)
    keep: Keep = field(default_factory=Keep)
    fresh: bool = False
    allow_new_program: bool = False

    def __post_init__(self) -> None:
        absolute(self.folder)
        if not isinstance(self.keep, Keep):
            raise TypeError(
                f"checkpoints: keep: expected a pj.checkpoints.Keep, got {describe(self.keep)}"
            )
        if isinstance(self.every, datetime.timedelta):
            if self.every <= datetime.timedelta(0):
                raise ValueError(f"checkpoints: every: expected a time above 0, got {self.every}")
            return
        try:
            check_count("checkpoints: every", self.every)
        except TypeError:
            raise TypeError(
                "checkpoints: every: expected a whole number of steps or a datetime.timedelta, "
                f"got {describe(self.every)}"
            ) from None
