"""Which checkpoints stay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from paramjax._checks import check_count


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
        check_count("keep: last", self.last)
        check_count("keep: best", self.best, least=0)

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
