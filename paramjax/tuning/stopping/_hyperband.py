"""Hyperband: successive halving in brackets whose first rungs differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from paramjax.tuning.stopping._schedule import Reducing, Schedule, best
from paramjax.tuning.stopping._successive_halving import survivors, whole_log


class Bracket(NamedTuple):
    """Trials that are compared with each other only."""

    trials: tuple[int, ...]
    rungs: tuple[int, ...]  # steps after which they are compared


@dataclass(frozen=True)
class Hyperband(Reducing):
    """The rule of `hyperband`.

    Attributes:
        reduction: At each rung one in `reduction` trials of a bracket goes on, above 1.
        least_steps: Least steps before the first rung of all; None for as many brackets as the
            trials fill.
    """

    rule = "hyperband"

    def __call__(self, trials: int, steps: int) -> Schedule:
        """The schedule of a sweep with these numbers of trials and steps."""
        self.check(steps)
        found = brackets(trials, steps, self.reduction, self.least_steps)

        def keep(step: int, scores: Mapping[int, Sequence[float]]) -> list[int]:
            kept: list[int] = []
            for bracket in found:
                own = {trial: scores[trial] for trial in bracket.trials if trial in scores}
                compared = own and step in bracket.rungs
                kept += best(own, survivors(len(own), self.reduction)) if compared else own
            return sorted(kept)

        return Schedule(tuple(sorted({rung for b in found for rung in b.rungs})), keep)


def hyperband(reduction: float = 3, least_steps: int | None = None) -> Hyperband:
    """Successive halving in brackets, some of which stop trials early and others late.

    The first rung of bracket s is after `steps / reduction**s` steps. Whether so few steps
    separate good trials from bad ones is not known beforehand, and the late brackets insure
    against it (Li et al., 2018, Hyperband: a novel bandit-based approach to hyperparameter
    optimization, algorithm 1). The trials are dealt to the brackets S, ..., 0 in the proportions
    of that algorithm, `ceil((S + 1) / (s + 1) * reduction**s)`.

    Args:
        reduction: At each rung one in `reduction` trials of a bracket goes on, above 1.
        least_steps: Least steps before the first rung of all, positive and fewer than those of a
            run; None for as many brackets as the trials fill.

    Returns:
        A rule for `sweep(..., stopping=)`.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If an argument is out of range; for too large `least_steps`, when the rule is
            called.

    Example:
        >>> hyperband(3, least_steps=9)(22, 81).rungs
        (9, 27)
        >>> [(len(b.trials), b.rungs) for b in brackets(22, 81, 3, 9)]
        [(12, (9, 27)), (6, (27,)), (4, ())]
    """
    return Hyperband(reduction, least_steps)


def brackets(trials: int, steps: int, reduction: float, least_steps: int | None) -> list[Bracket]:
    """The brackets of a sweep, the one with the earliest rung first."""
    most = whole_log(steps / (least_steps or 1), reduction)
    if least_steps is None:
        while most and sum(sizes(most, reduction)) > max(trials, 1):
            most -= 1
    shares = sizes(most, reduction)
    ends = _ends(trials, shares)
    numbers = range(trials)
    found = [
        Bracket(tuple(numbers[start:end]), _rungs(steps, reduction, s))
        for s, start, end in zip(range(most, -1, -1), [0, *ends], ends, strict=False)
    ]
    return [bracket for bracket in found if bracket.trials]


def sizes(most: int, reduction: float) -> list[int]:
    """Trials of each bracket in algorithm 1, the one with the earliest rung first."""
    return [math.ceil((most + 1) / (s + 1) * reduction**s - 1e-9) for s in range(most, -1, -1)]


def _ends(trials: int, shares: Sequence[int]) -> list[int]:
    """The number after the last trial of each bracket, in proportion to the shares."""
    total, so_far, ends = sum(shares), 0, []
    for share in shares:
        so_far += share
        ends.append(round(trials * so_far / total))
    return ends


def _rungs(steps: int, reduction: float, s: int) -> tuple[int, ...]:
    rungs = {round(steps / reduction**k) for k in range(1, s + 1)}
    return tuple(sorted(rung for rung in rungs if 1 <= rung < steps))
