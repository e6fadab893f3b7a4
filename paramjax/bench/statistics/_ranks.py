"""Intervals for the ranks of all optimizers at once."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from paramjax.bench.statistics._evidence import LEVEL, guard_level, guard_p, signs_p, weigh
from paramjax.bench.statistics._interval import Array

DRAWS = 20_000
DRAWS_AT_ONCE = 2_000


def rank_intervals(
    scores: Mapping[str, Any],
    *,
    maximise: bool,
    variance_ratio: float = 0.0,
    level: float = LEVEL,
) -> dict[str, tuple[int, int]]:
    r"""Simultaneous intervals for the ranks of optimizers, rank 1 being the best.

    Every pair of optimizers is compared over its replicates. If b(j) others are better than
    j beyond doubt and w(j) worse, the rank of j lies in
    $$[1 + b(j),\; n - w(j)]$$
    for all j at once with chance `level`, as no pair is ordered wrongly with that chance:
    the largest of all $|t_{jk}|$ is held against its simulated quantile. The bootstrap that
    the source takes for it does not hold for six replicates. As in `decide`, an order also
    needs the sign-flip test at 5 %; a pair with lost runs, or with one and the
    same difference in every replicate (rounded scores), is ordered by the sign test at
    Bonferroni's level, and who lost more runs is not ahead.

    Args:
        scores: Name -> score in each replicate, [replicates], paired; NaN where it was lost.
        maximise: Whether a larger score is better.
        variance_ratio: As in `decide`.
        level: Chance that all intervals hold, in (0.5, 1).

    Returns:
        Name -> lowest and highest rank, both included.

    Raises:
        ValueError: If the scores are not of one length, or level is out of range.

    Source: Mogstad, Romano, Shaikh and Wilhelm (2024), Inference for ranks, section 3.2.

    Example:
        >>> import numpy as np
        >>> k = np.arange(8) % 3 / 100
        >>> rank_intervals({"a": 0.9 + k, "b": 0.9 + k[::-1], "c": 0.2 + k}, maximise=True)
        {'a': (1, 2), 'b': (1, 2), 'c': (3, 3)}
    """
    names = list(scores)
    table = _table(scores, level)
    count, replicates = table.shape
    pairs = list(itertools.combinations(range(count), 2))
    if not pairs or replicates < 2:
        return dict.fromkeys(names, (1, count))
    left, right = np.transpose(pairs)
    ahead = _ahead(table[left], table[right], count, maximise, variance_ratio, level)
    better, worse = np.zeros(count, int), np.zeros(count, int)
    np.add.at(better, np.where(ahead > 0, right, left), ahead != 0)
    np.add.at(worse, np.where(ahead > 0, left, right), ahead != 0)
    return {name: (1 + int(better[i]), count - int(worse[i])) for i, name in enumerate(names)}


def _table(scores: Mapping[str, Any], level: float) -> Array:
    """The scores, [optimizers, replicates], with NaN for what is not finite."""
    if not 0.5 < level < 1:
        raise ValueError(f"rank_intervals: expected level in (0.5, 1), got {level}")
    rows = {name: np.asarray(values, np.float64) for name, values in scores.items()}
    shapes = {name: row.shape for name, row in rows.items()}
    if not rows or len(set(shapes.values())) > 1 or any(len(s) != 1 for s in shapes.values()):
        raise ValueError(
            "rank_intervals: expected scores of one length for every optimizer, got shapes "
            f"{shapes}; a lost run counts as NaN"
        )
    table = np.stack(list(rows.values()))
    return np.where(np.isfinite(table), table, np.nan)


def _ahead(
    left: Array, right: Array, count: int, maximise: bool, variance_ratio: float, level: float
) -> Array:
    """1 where the left one of a pair is better beyond doubt, -1 where the right one is, else 0."""
    evidence = weigh(
        left, right, margin=0.0, maximise=maximise, variance_ratio=variance_ratio, level=level
    )
    test = evidence.student
    bound = _largest_t(count, left.shape[-1], level)
    far = np.abs(test.mean) > bound * test.error
    signs = [signs_p(evidence.pairs, pair, left.shape[-1]) for pair in range(len(left))]
    rare = np.array(signs) <= (1 - level) / len(left)
    beyond = np.where(evidence.by_signs | (test.error == 0), rare, far)
    for pair in np.flatnonzero(beyond).tolist():
        beyond[pair] = guard_p(evidence, pair, 0.0) <= guard_level(level)
    pairs = evidence.pairs
    ahead = np.where(evidence.by_signs, np.sign(pairs.wins - pairs.losses), np.sign(test.mean))
    lost_more = ahead * (pairs.lost - pairs.lost_baseline) > 0
    return np.where(beyond & ~lost_more, ahead, 0)


@functools.lru_cache
def _largest_t(count: int, replicates: int, level: float) -> float:
    """Quantile of the largest paired |t| among normal scores of one mean, 20,000 draws."""
    rng = np.random.default_rng(0)
    largest = [_draw(rng, count, replicates) for _ in range(DRAWS // DRAWS_AT_ONCE)]
    return float(np.quantile(np.concatenate(largest), level))


def _draw(rng: np.random.Generator, count: int, replicates: int) -> Array:
    """The largest |t| of each draw, by the covariances of the scores."""
    scores = rng.normal(size=(DRAWS_AT_ONCE, count, replicates))
    mean = scores.mean(-1)
    centred = scores - mean[..., None]
    products = centred @ centred.swapaxes(1, 2) / (replicates - 1)
    left, right = np.triu_indices(count, 1)
    variance = products[:, left, left] + products[:, right, right] - 2 * products[:, left, right]
    t = np.abs(mean[:, left] - mean[:, right]) / np.sqrt(variance / replicates)
    return np.asarray(t.max(-1))
