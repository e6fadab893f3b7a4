"""The best of some trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def best(scores: Mapping[int, Sequence[float]], count: int) -> list[int]:
    """The trials with the smallest last score; those that are not finite are none of them."""
    finite = [trial for trial, own in scores.items() if math.isfinite(own[-1])]
    return sorted(sorted(finite, key=lambda trial: (scores[trial][-1], trial))[:count])
