"""Successive halving: train all for a little, keep the best, train those for longer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paramjax.tuning.stopping._schedule import Reducing, Schedule, best

SHARE = 1 / 3
"""Most that halving costs by default, as a share of the sweep without stopping."""


@dataclass(frozen=True)
class SuccessiveHalving(Reducing):
    """The rule of `successive_halving`.

    Attributes:
        reduction: At each rung one in `reduction` trials goes on, above 1.
        least_steps: Least steps before the first rung; None for the default of
            `successive_halving`.
    """

    rule = "successive_halving"

    def __call__(self, trials: int, steps: int) -> Schedule:
        """The schedule of a sweep with these numbers of trials and steps."""
        self.check(steps)
        rungs = geometric(trials, steps, self.reduction, self.least_steps)

        def keep(step: int, scores: Mapping[int, Sequence[float]]) -> list[int]:
            del step
            return best(scores, survivors(len(scores), self.reduction))

        return Schedule(rungs, keep)


def successive_halving(reduction: float = 3, least_steps: int | None = None) -> SuccessiveHalving:
    """Train all trials for a few steps, keep the best, train those for longer, and so on.

    Rungs are after `steps / reduction**k` steps; at each, the best `1 / reduction` of the trials
    go on, at least one (Jamieson and Talwalkar, 2016, Non-stochastic best arm identification and
    hyperparameter optimization, algorithm 1; the rungs are those of Li et al., 2020, A system for
    massively parallel hyperparameter tuning). Diverged trials never go on. With k rungs this costs
    `(1 + k (1 - 1 / reduction)) / reduction**k` of the steps without stopping.

    A few steps may not separate good trials from bad ones. The default first rung is therefore the
    latest with which halving costs at most a third of the sweep: `steps / 9` with `reduction=3`,
    which costs 26 %; `steps / 8` with `reduction=2`, 31 %. A smaller `least_steps` costs less and
    errs more often.

    Args:
        reduction: At each rung one in `reduction` trials goes on, above 1.
        least_steps: Least steps before the first rung, positive and fewer than those of a run;
            None for the fewest rungs that cost at most a third or leave one trial.

    Returns:
        A rule for `sweep(..., stopping=)`.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If an argument is out of range; for too large `least_steps`, when the rule is
            called.

    Example:
        >>> successive_halving(3)(27, 270).rungs, successive_halving(2)(27, 80).rungs
        ((30, 90), (10, 20, 40))
        >>> schedule = successive_halving(3, least_steps=10)(27, 270)
        >>> schedule.rungs
        (10, 30, 90)
        >>> schedule.keep(90, {4: [0.5, 0.4, 0.3], 7: [0.5, 0.3, 0.2], 9: [0.4, 0.4, 0.4]})
        [7]
    """
    return SuccessiveHalving(reduction, least_steps)


def geometric(
    trials: int, steps: int, reduction: float, least_steps: int | None
) -> tuple[int, ...]:
    """Rungs that grow geometrically towards the steps of a run."""
    if least_steps is None:
        enough = next(k for k in itertools.count(1) if cost(k, reduction) <= SHARE)
        count = min(enough, whole_log(trials, reduction))
    else:
        count = whole_log(steps / least_steps, reduction)
    rungs = {round(steps / reduction**k) for k in range(1, count + 1)}
    return tuple(sorted(rung for rung in rungs if 1 <= rung < steps))


def cost(rungs: int, reduction: float) -> float:
    """The cost of halving, as a share of the steps without stopping."""
    return (1 + rungs * (1 - 1 / reduction)) / reduction**rungs


def whole_log(value: float, base: float) -> int:
    """The largest whole k with `base**k <= value`."""
    # the logarithm alone rounds log(243) / log(3) to 4.999...
    return max(0, math.floor(math.log(max(value, 1.0)) / math.log(base) + 1e-9))


def survivors(count: int, reduction: float) -> int:
    """The number of trials that go on."""
    return max(1, math.floor(count / reduction + 1e-9))
