"""One workload as the report looks at it: its trials, its curves, and who is drawn how."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from paramjax.bench._results import OptimizerResult, Replicate, Results, Training, Verdict
from paramjax.bench._results import WorkloadResult as Workload
from paramjax.bench.report._formatting import count, percent
from paramjax.bench.report._measures import Floats, capped
from paramjax.bench.report._style import Style
from paramjax.bench.statistics import LEVEL


class Trial(NamedTuple):
    """One trial of one replicate.

    Attributes:
        number: Through all replicates.
        replicate: Number of its replicate.
        hyperparameters: Name -> value.
        values: Validation score of each tuning seed.
        value: Their mean, NaN if one is lost.
        chosen: Whether it was the best of its replicate.
    """

    number: int
    replicate: int
    hyperparameters: dict[str, Any]
    values: list[float]
    value: float
    chosen: bool


class View(NamedTuple):
    """One workload with what its figures and tables share.

    Attributes:
        id: Of its heading.
        workload: What was measured.
        verdicts: On this workload, best difference first.
        baseline: Name of the baseline.
        rules: The fields of the protocol.
        styles: Optimizer -> style, the same on every workload.
        ranks: Optimizer -> first and last rank.
    """

    id: str
    workload: Workload
    verdicts: list[Verdict]
    baseline: str
    rules: dict[str, Any]
    styles: dict[str, Style]
    ranks: dict[str, tuple[int, int]]

    @property
    def optimizers(self) -> dict[str, OptimizerResult]:
        """Name -> what was measured of it."""
        return self.workload.optimizers

    @property
    def level(self) -> str:
        """The confidence level of the intervals; two ends if they were looked at more than once."""
        levels = [verdict.decision.level for verdict in self.verdicts] or [LEVEL]
        low, high = percent(min(levels)), percent(max(levels))
        return high if low == high else f"{low.removesuffix(' %')} to {high}"

    @property
    def replicates(self) -> str:
        """How many replicates its verdicts rest on, fewest to most."""
        counts = [v.decision.replicates for v in self.verdicts] or [self.rules["replicates"]]
        low, high = min(counts), max(counts)
        return count(high, "replicate") if low == high else f"{low} to {high} replicates"

    def untrained(self, replicate: int) -> float:
        """Test score of the untrained parameters of a replicate; NaN if it is not known."""
        known = self.workload.initial
        return known[replicate] if replicate < len(known) else math.nan

    def width(self, name: str) -> float:
        """Of a line: that of the baseline is thicker."""
        return 3.5 if name == self.baseline else 2.0

    def tuned(self, name: str) -> Floats:
        """Validation scores of fully tuned replicates, float[replicates, trials].

        A lost trial, or one worse than the untrained parameters, counts as untrained.
        """
        rows = [
            capped(
                [trial.value for trial in tried],
                self.untrained(replicate.number),
                maximise=self.workload.maximise,
            )
            for replicate in self.optimizers[name].replicates
            if replicate.chosen is not None and (tried := trials(replicate))
        ]
        return np.array([row for row in rows if np.isfinite(row).all()])

    def best_first(self, values: dict[str, float]) -> list[str]:
        """Names in the order of their values, those that are not finite last."""
        sign = -1.0 if self.workload.maximise else 1.0
        return sorted(
            values,
            key=lambda name: sign * values[name] if math.isfinite(values[name]) else math.inf,
        )


def views(results: Results, styles: dict[str, Style]) -> list[View]:
    """The workloads of a benchmark, in order."""
    return [
        View(
            id=f"workload-{i}",
            workload=workload,
            verdicts=_ordered(
                [v for v in results.verdicts if v.workload == workload.name], workload.maximise
            ),
            baseline=results.baseline,
            rules=results.rules,
            styles=styles,
            ranks=results.ranks.get(workload.name, {}),
        )
        for i, workload in enumerate(results.workloads)
    ]


def trials(replicate: Replicate) -> list[Trial]:
    """The trials of a replicate, by number."""
    groups: dict[int, list[Training]] = {}
    for training in replicate.tuning:
        groups.setdefault(training.trial, []).append(training)
    return [_trial(groups[number], replicate) for number in sorted(groups)]


def all_trials(result: OptimizerResult) -> list[Trial]:
    """The trials of all replicates."""
    return [trial for replicate in result.replicates for trial in trials(replicate)]


def reported(result: OptimizerResult) -> list[Training]:
    """The report trainings of all replicates."""
    return [training for replicate in result.replicates for training in replicate.report]


def lost(training: Training) -> bool:
    """Whether a training has no finite value in the end."""
    return not math.isfinite(training.value)


def curve_of(trainings: Sequence[Training], name: str) -> tuple[list[float], Floats]:
    """Steps, and float[trainings, points] of a metric along them; NaN where it is missing."""
    steps = max((t.curve.get("step", []) for t in trainings), key=len, default=[])
    values = np.full((len(trainings), len(steps)), np.nan)
    for row, training in zip(values, trainings, strict=True):
        curve = training.curve.get(name, [])
        row[: len(curve)] = curve
    return [float(step) for step in steps], values


def _trial(trainings: Sequence[Training], replicate: Replicate) -> Trial:
    first, values = trainings[0], [training.value for training in trainings]
    mean = sum(values) / len(values)
    return Trial(
        number=first.trial,
        replicate=replicate.number,
        hyperparameters=first.hyperparameters,
        values=values,
        value=mean if math.isfinite(mean) else math.nan,
        chosen=first.trial == replicate.chosen,
    )


def _ordered(verdicts: Sequence[Verdict], maximise: bool) -> list[Verdict]:
    """The best difference first, those without any last."""
    sign = -1.0 if maximise else 1.0

    def place(verdict: Verdict) -> float:
        difference = verdict.decision.difference
        return sign * difference if math.isfinite(difference) else math.inf

    return sorted(verdicts, key=place)
