"""From records to verdicts: paired differences, an interval, and one of three words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from paramjax._status import Status
from paramjax._types import PyTree
from paramjax.bench._protocol import REPORT, TUNING
from paramjax.bench._records import Records
from paramjax.bench._rows import OptimizerRow, Training, WorkloadRow
from paramjax.bench._selection import diverged_trials, edges

LEVEL = 0.95
FEWEST_SEEDS = 6
"""Below it the interval rests on the differences being normally distributed."""

RESAMPLES = 10_000

BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"


class Verdict(NamedTuple):
    """One optimizer compared with the baseline on one workload, by the report trainings.

    Attributes:
        workload: Name of the workload.
        optimizer: Name of the optimizer.
        baseline: Name of the baseline.
        metric: The deciding test metric.
        difference: Mean of optimizer minus baseline over the report seeds, in the
            metric's own units.
        interval: Its paired bootstrap interval at 95 %, low and high.
        verdict: `better` or `worse` if the interval excludes zero, else `undecided`.
        seeds: Number of report seeds.
        optimizer_value: Mean of the metric over the report seeds.
        baseline_value: The same of the baseline.
        diverged_trials: Trials with a diverged training during tuning.
        at_edge: Whether the chosen trial lies at the edge of its search space.
        diverged_seeds: Report trainings that diverged. Those without a finite metric count
            with the worst value of the workload, the others with their own.
        hyperparameters: Hyperparameters of the chosen trial.
        edges: Which of them lie at an edge, and at which end.
    """

    workload: str
    optimizer: str
    baseline: str
    metric: str
    difference: float
    interval: tuple[float, float]
    verdict: str
    seeds: int
    optimizer_value: float
    baseline_value: float
    diverged_trials: int
    at_edge: bool
    diverged_seeds: int
    hyperparameters: dict[str, Any]
    edges: list[str]


class Result(NamedTuple):
    """One optimizer's report trainings on one workload.

    Attributes:
        optimizer: Its name.
        values: Seed -> test metric; the worst value of the workload if it was not finite.
        diverged_seeds: Report trainings that diverged.
        diverged_trials: Trials that diverged during tuning.
        hyperparameters: Hyperparameters of the chosen trial.
        edges: Which of them lie at an edge of the space.
    """

    optimizer: str
    values: dict[int, float]
    diverged_seeds: int
    diverged_trials: int
    hyperparameters: dict[str, Any]
    edges: list[str]

    @property
    def mean(self) -> float:
        """The mean of the metric over the report seeds."""
        return float(np.mean(list(self.values.values())))


def paired_interval(
    differences: PyTree, *, level: float = LEVEL, seed: int = 0
) -> tuple[float, float]:
    r"""A bootstrap interval for the mean of paired differences, wide enough for few pairs.

    The percentile interval of the bootstrap (Efron, 1979) is too narrow for small n. It
    is expanded as Hesterberg (2015, What teachers should know about the bootstrap,
    section 5.3) proposes, to the tail
    $$\alpha'/2 = \Phi\bigl(-t_{1-\alpha/2,\,n-1}\sqrt{n/(n-1)}\bigr)$$
    and never taken narrower than Student's interval, which matters below ten pairs.

    Args:
        differences: At least two finite numbers, [pairs].
        level: Nominal coverage, in (0, 1).
        seed: Seed of the resampling.

    Returns:
        Low and high end, in the units of the differences.

    Raises:
        ValueError: If there are fewer than two differences or one is not finite.

    Example:
        >>> low, high = paired_interval([0.9, 1.1, 1.0, 0.8, 1.2])
        >>> low < 1.0 < high
        True
    """
    from scipy import stats  # 0.4 s to import

    values = np.asarray(differences, np.float64)
    n = values.size
    if n < 2 or not np.isfinite(values).all():
        raise ValueError(f"paired_interval: expected two or more finite numbers, got {values}")
    t = stats.t.ppf((1 + level) / 2, n - 1)
    tail = stats.norm.cdf(-t * math.sqrt(n / (n - 1)))
    draws = np.random.default_rng(seed).integers(0, n, (RESAMPLES, n))
    low, high = np.quantile(values[draws].mean(axis=1), [tail, 1 - tail])
    half = t * values.std(ddof=1) / math.sqrt(n)
    return float(min(low, values.mean() - half)), float(max(high, values.mean() + half))


def decide(interval: tuple[float, float], *, maximise: bool) -> str:
    """`better` or `worse` if the interval excludes zero, `undecided` if not.

    Args:
        interval: Low and high end of optimizer minus baseline.
        maximise: Whether a larger metric is better.

    Returns:
        One of the three words.

    Example:
        >>> decide((0.01, 0.03), maximise=True)
        'better'
        >>> decide((0.01, 0.03), maximise=False)
        'worse'
    """
    low, high = interval
    if low <= 0 <= high:
        return UNDECIDED
    return BETTER if (low > 0) == maximise else WORSE


def results(records: Records, workload: WorkloadRow) -> dict[str, Result]:
    """What each optimizer reached on one workload, for those whose trainings are complete.

    A training whose metric was lost counts with the worst value that anyone had on the
    workload, the untrained parameters included: it cannot gain by being dropped.
    """
    rules = records.rules()
    if "report_seeds" not in rules:
        return {}
    seeds = set(range(*rules["report_seeds"]))
    complete = []
    for row in records.optimizers():
        tuning = records.trainings(workload.workload, row.optimizer, TUNING)
        report = records.trainings(workload.workload, row.optimizer, REPORT)
        tuned = len(tuning) == rules["trials"] * rules["tuning_seeds"]
        if tuned and {training.seed for training in report} == seeds:
            complete.append((row, report, tuning))
    seen = [training.value for _, report, _ in complete for training in report]
    worst = _worst([*seen, *workload.initial.values()], workload.maximise)
    return {row.optimizer: _result(row, report, tuning, worst) for row, report, tuning in complete}


def verdicts(records: Records) -> list[Verdict]:
    """Compare every optimizer that has all its trainings with the baseline.

    Args:
        records: The records of a benchmark, with its baseline noted.

    Returns:
        Verdicts in the order of workloads and optimizers.
    """
    rules = records.rules()
    found = []
    for workload in records.workloads():
        known = results(records, workload)
        baseline = known.get(rules.get("baseline", ""))
        others = [result for result in known.values() if result is not baseline]
        if baseline is not None:
            found += [_verdict(workload, other, baseline, rules["key"]) for other in others]
    return found


def _verdict(workload: WorkloadRow, result: Result, baseline: Result, seed: int) -> Verdict:
    differences = [result.values[s] - baseline.values[s] for s in sorted(baseline.values)]
    interval = paired_interval(differences, seed=seed)
    return Verdict(
        workload=workload.workload,
        optimizer=result.optimizer,
        baseline=baseline.optimizer,
        metric=workload.metric,
        difference=float(np.mean(differences)),
        interval=interval,
        verdict=decide(interval, maximise=workload.maximise),
        seeds=len(differences),
        optimizer_value=result.mean,
        baseline_value=baseline.mean,
        diverged_trials=result.diverged_trials,
        at_edge=bool(result.edges),
        diverged_seeds=result.diverged_seeds,
        hyperparameters=result.hyperparameters,
        edges=result.edges,
    )


def _result(
    row: OptimizerRow, report: Sequence[Training], tuning: Sequence[Training], worst: float
) -> Result:
    values = {t.seed: t.value if math.isfinite(t.value) else worst for t in report}
    return Result(
        optimizer=row.optimizer,
        values=values,
        diverged_seeds=sum(t.status == Status.DIVERGED for t in report),
        diverged_trials=diverged_trials(tuning),
        hyperparameters=report[0].hyperparameters,
        edges=edges(tuning, report[0].trial, row.space),
    )


def _worst(values: Sequence[float], maximise: bool) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return min(finite) if maximise else max(finite)
