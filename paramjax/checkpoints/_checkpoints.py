"""What a user says about checkpoints: where, how often, and which stay."""

from __future__ import annotations

import datetime
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from paramjax._checks import check_count, describe
from paramjax._files import absolute_path


@dataclass(frozen=True)
class Keep:
    """Which checkpoints stay when a new one is complete.

    Attributes:
        last: Number of newest checkpoints to keep, positive. With 1, a damaged file ends the run.
        best: Number of checkpoints with the best validation to keep besides, at least 0. Only
            checkpoints at a step that was validated have a score.

    Raises:
        TypeError: If a count is not an integer.
        ValueError: If a count is out of range.

    Example:
        >>> Keep(last=2, best=1).stays({10: 0.3, 20: 0.1, 30: 0.2, 40: None})
        [20, 30, 40]
    """

    last: int = 3
    best: int = 0

    def __post_init__(self) -> None:
        # as numbers of Python, which JSON knows, where they came from numpy
        object.__setattr__(self, "last", check_count("keep: last", self.last))
        object.__setattr__(self, "best", check_count("keep: best", self.best, least=0))

    def stays(self, scores: Mapping[int, float | None]) -> list[int]:
        """The steps whose checkpoints stay.

        Args:
            scores: Step -> score, lower is better; None, NaN and infinities do not count.

        Returns:
            Steps, increasing.
        """
        newest = sorted(scores)[-self.last :]
        older = {step: score for step, score in scores.items() if step not in newest}
        ranked = sorted(
            (score, -step)
            for step, score in older.items()
            if score is not None and math.isfinite(score)
        )
        best = [-step for _, step in ranked[: self.best]]
        return sorted({*newest, *best})


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
        TypeError: If `folder` is not a path, `every` neither a whole number nor a time, `keep` no
            `Keep`, or a flag neither True nor False.
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
        absolute_path("checkpoints", self.folder)
        check_keep(self.keep)
        for name in ("fresh", "allow_new_program"):
            if not isinstance(flag := getattr(self, name), bool):
                raise TypeError(
                    f"checkpoints: {name}: expected True or False, got {describe(flag)}"
                )
        if isinstance(self.every, datetime.timedelta):
            if self.every <= datetime.timedelta(0):
                raise ValueError(f"checkpoints: every: expected a time above 0, got {self.every}")
            return
        try:
            every = check_count("checkpoints: every", self.every)
        except TypeError:
            raise TypeError(
                "checkpoints: every: expected a whole number of steps or a datetime.timedelta, "
                f"got {describe(self.every)}"
            ) from None
        object.__setattr__(self, "every", every)


def check_keep(keep: Keep) -> Keep:
    """The argument, if it says which checkpoints stay; raise `TypeError` for a number."""
    if not isinstance(keep, Keep):
        raise TypeError(
            f"checkpoints: keep: expected a pj.checkpoints.Keep, got {describe(keep)}; write "
            "keep=pj.checkpoints.Keep(last=3)"
        )
    return keep
