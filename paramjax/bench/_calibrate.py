"""Calibration: how often the verdicts of a protocol are wrong, and what they find."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from paramjax.bench._benchmark import Benchmark, Plan
from paramjax.bench._protocol import Protocol
from paramjax.bench._results import WorkloadResult
from paramjax.bench._runner import Progress
from paramjax.bench.entries import Entry
from paramjax.bench.statistics import BETTER, EQUIVALENT, WORSE, clopper_pearson, decide
from paramjax.optim import Optimizer

PREFIX = "copy_"
HANDICAPS = (0.5, 1.0, 2.0)
"""Shifts of a copy's scores, in standard deviations of the scores of the original."""


class Rate(NamedTuple):
    """A share of comparisons with its interval.

    Attributes:
        hits: Comparisons that ended so.
        comparisons: Comparisons in all, which share no replicate.
        interval: The exact interval of the share at 95 % (Clopper and Pearson, 1934).
    """

    hits: int
    comparisons: int
    interval: tuple[float, float]

    @property
    def share(self) -> float:
        """The share itself."""
        return self.hits / self.comparisons


class Calibration(NamedTuple):
    """How one protocol judges on one workload.

    Attributes:
        workload: Its name.
        optimizer: The optimizer that was compared with its copy.
        split: As in `WorkloadResult`.
        false: Verdicts `better` or `worse` on a copy, which are false.
        equivalent: Verdicts `equivalent` on a copy, which are right.
        handicaps: Standard deviations -> verdicts `worse` on a copy whose scores were moved so far.
        against: Optimizer -> word -> its share.
        false_on_these_rows: As `false`, of the words with the variance factor 1/K.
        against_on_these_rows: As `against`, of these words.
    """

    workload: str
    optimizer: str
    split: str
    false: Rate
    equivalent: Rate
    handicaps: dict[float, Rate]
    against: dict[str, dict[str, Rate]]
    false_on_these_rows: Rate
    against_on_these_rows: dict[str, dict[str, Rate]]


def renamed(entry: Entry) -> Entry:
    """The same optimizer with other names of its hyperparameters, so that its trials are its own.

    Example:
        >>> from paramjax.bench.entries import entry_of
        >>> renamed(entry_of("adam", "adam")).optimizer.name
        'copy_adam'
    """
    optimizer = entry.optimizer

    def factory(**hyperparameters: Any) -> Any:
        return optimizer.factory(**{n.removeprefix(PREFIX): v for n, v in hyperparameters.items()})

    space = {f"{PREFIX}{name}": _renamed(range_) for name, range_ in optimizer.space.items()}
    copy: Optimizer = dataclasses.replace(
        optimizer, name=f"{PREFIX}{optimizer.name}", factory=factory, space=space
    )
    return entry._replace(optimizer=copy)


def calibrate(
    plan: Plan, comparisons: int, on_progress: Callable[[Progress], None] = lambda event: None
) -> list[Calibration]:
    """Train as many replicates as the comparisons need, and judge them a protocol at a time.

    The baseline of the plan is compared with a copy of itself that draws trials of its own, and
    with every other entry of the plan. Comparisons share no replicate.

    Args:
        plan: Workloads, entries, protocol and the folder that keeps the replicates.
        comparisons: How many comparisons, positive.
        on_progress: See `Benchmark.run`.

    Returns:
        One calibration a workload.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from paramjax.bench.entries import find_entries
        >>> from paramjax.bench.workloads import get
        >>> plan = Plan(
        ...     workloads=[get("quadratic_deep")], entries=find_entries(["sgd"])[0],
        ...     baseline="sgd", protocol=Protocol(replicates=2, trials=1, steps=2),
        ...     out=Path(tempfile.mkdtemp()),
        ... )
        >>> (found,) = calibrate(plan, comparisons=3)
        >>> found.false.hits, found.false.comparisons
        (0, 3)
    """
    size = plan.protocol.replicates
    first = next(e for e in plan.entries if e.optimizer.name == plan.baseline)
    copy = renamed(first)
    whole = dataclasses.replace(
        plan, entries=[*plan.entries, copy], most=None,
        protocol=dataclasses.replace(plan.protocol, replicates=size * comparisons),
    )  # fmt: skip
    results = Benchmark(whole).run(on_progress)
    return [_calibrated(w, plan.baseline, copy.optimizer.name, size) for w in results.workloads]


def as_json(found: Sequence[Calibration], protocol: Protocol) -> dict[str, Any]:
    """Calibrations as values of JSON, with the protocol that they are about."""
    return {
        "protocol": dataclasses.asdict(protocol),
        "workloads": {one.workload: _plain(one._asdict()) for one in found},
    }


def words(
    workload: WorkloadResult, scores: np.ndarray, baseline: np.ndarray, size: int,
    field: str = "alone",
) -> list[str]:  # fmt: skip
    """The uncorrected words of comparisons of `size` consecutive replicates."""
    count = len(baseline) // size
    decisions = [
        decide(
            scores[k * size : (k + 1) * size], baseline[k * size : (k + 1) * size],
            margin=workload.margin, maximise=workload.maximise,
            variance_ratio=workload.variance_ratio,
        )
        for k in range(count)
    ]  # fmt: skip
    return [getattr(decision, field) for decision in decisions]


def rate(found: Sequence[str], *asked: str) -> Rate:
    """The share of some words with its exact interval.

    Example:
        >>> low, high = rate(["undecided"] * 40, "better", "worse").interval
        >>> low, round(high, 3)
        (0.0, 0.088)
    """
    hits = sum(word in asked for word in found)
    return Rate(hits, len(found), clopper_pearson(hits, len(found)))


def _calibrated(workload: WorkloadResult, baseline: str, copy: str, size: int) -> Calibration:
    scores = {name: np.array(own.scores) for name, own in workload.optimizers.items()}
    own, other = scores[baseline], scores[copy]
    null = words(workload, other, own, size)
    spread = float(np.nanstd(own, ddof=1)) if np.isfinite(own).sum() > 1 else math.nan
    worse = -1.0 if workload.maximise else 1.0
    moved = {h: words(workload, other + worse * h * spread, own, size) for h in HANDICAPS}
    others = {name: values for name, values in scores.items() if name not in (baseline, copy)}

    def against(field: str) -> dict[str, dict[str, Rate]]:
        found = {name: words(workload, v, own, size, field) for name, v in others.items()}
        return {name: {w: rate(own, w) for w in sorted(set(own))} for name, own in found.items()}

    rows = words(workload, other, own, size, "on_these_rows")
    return Calibration(
        workload.name, baseline, workload.split, rate(null, BETTER, WORSE),
        rate(null, EQUIVALENT), {h: rate(found, WORSE) for h, found in moved.items()},
        against("alone"), rate(rows, BETTER, WORSE), against("on_these_rows"),
    )  # fmt: skip


def _renamed(distribution: Any) -> Any:
    """A distribution; a conditional one asks for its parent under the new name."""
    if not hasattr(distribution, "parent"):
        return distribution
    return dataclasses.replace(distribution, parent=f"{PREFIX}{distribution.parent}")


def _plain(value: Any) -> Any:
    if isinstance(value, Rate):
        return {**value._asdict(), "interval": list(value.interval), "share": value.share}
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    return value
