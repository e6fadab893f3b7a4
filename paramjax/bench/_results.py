"""What a benchmark has measured: trainings, replicates, optimizers, workloads, verdicts."""

from __future__ import annotations

from typing import Any, NamedTuple

from paramjax.bench.entries import Excluded
from paramjax.bench.statistics import Decision


class Training(NamedTuple):
    """One training.

    Attributes:
        trial: Number of the hyperparameters, through all replicates.
        seed: Number of the seed, through all replicates.
        hyperparameters: Name -> value.
        status: `finished`, `worsened` or `diverged`, as in `pj.populations.Record`.
        diverged_step: First step whose loss was not finite, or None.
        value: The deciding metric after the last step: on validation rows if the trial is being
            tuned, on test rows in the report; NaN if the training is lost.
        curve: `step`, `train_loss` and each metric along the training; NaN if not finite.
    """

    trial: int
    seed: int
    hyperparameters: dict[str, Any]
    status: str
    diverged_step: int | None
    value: float
    curve: dict[str, list[float]]


class Replicate(NamedTuple):
    """The whole procedure once, of one optimizer on one workload.

    Attributes:
        number: From 0; the same number of another optimizer is its pair.
        tuning: The trainings of its trials.
        chosen: The trial that was best on validation rows; None before all are trained.
        report: The trainings of the chosen trial.
        score: Mean of the metric over `report`, or the untrained parameters' if that is better;
            NaN if one of them is lost.
        complete: Whether all its trainings are there.
    """

    number: int
    tuning: list[Training]
    chosen: int | None
    report: list[Training]
    score: float
    complete: bool


class OptimizerResult(NamedTuple):
    """One optimizer on one workload.

    Attributes:
        optimizer: Its name.
        source: Paper or file.
        space: Hyperparameter -> its distribution's kind and ends.
        schedule: What the optimizer says of its own schedule, or empty.
        audit: What was found in its program: `flops`, `gradients`, `constants`, `flags`, `program`.
        replicates: Its replicates, complete or not.
    """

    optimizer: str
    source: str
    space: dict[str, dict[str, Any]]
    schedule: str
    audit: dict[str, Any]
    replicates: list[Replicate]

    @property
    def scores(self) -> list[float]:
        """The score of each complete replicate, in order; NaN if it is lost."""
        return [replicate.score for replicate in self.replicates if replicate.complete]

    @property
    def complete(self) -> bool:
        """Whether every replicate is complete."""
        return all(replicate.complete for replicate in self.replicates)


class WorkloadResult(NamedTuple):
    """One workload with everything that was trained on it.

    Attributes:
        name: Its name.
        description: One line.
        metric: The metric that decides.
        maximise: Whether a larger metric is better.
        margin: The largest difference that does not matter, in the metric's units.
        margin_reason: Why.
        bears_verdicts: Whether it is large enough to carry a verdict.
        split: `anew` in each replicate, `once` for all, `published`, `test fixed` or
            `training fixed`.
        rows: Rows of `train`, `validation` and `test`.
        variance_ratio: Test rows per row that the procedure learns from if the split varies, else
            0: the second term of Nadeau and Bengio's variance.
        target: Value of the metric whose first reaching is timed, or None.
        initial: Test metric of the untrained parameters of each replicate.
        warnings: Sentences to read before the verdicts.
        optimizers: Name -> result.
    """

    name: str
    description: str
    metric: str
    maximise: bool
    margin: float
    margin_reason: str
    bears_verdicts: bool
    split: str
    rows: dict[str, int]
    variance_ratio: float
    target: float | None
    initial: list[float]
    warnings: list[str]
    optimizers: dict[str, OptimizerResult]


class Verdict(NamedTuple):
    """One optimizer compared with the baseline on one workload.

    Attributes:
        workload: Name of the workload.
        optimizer: Name of the optimizer.
        baseline: Name of the baseline.
        metric: The deciding test metric.
        margin: The largest difference that does not matter.
        decision: The statistics of the comparison.
        value: Mean score of the optimizer over its replicates that are not lost.
        baseline_value: The same of the baseline.
        differences: Optimizer minus baseline in each replicate; NaN if a side is lost.
        sentence: The verdict in words, with its margin and its budget.
        hyperparameters: Those that each replicate chose.
        diverged_trials: Trials with a diverged training during tuning, of all replicates.
        edges: Hyperparameters that most replicates chose at an edge of their range.
    """

    workload: str
    optimizer: str
    baseline: str
    metric: str
    margin: float
    decision: Decision
    value: float
    baseline_value: float
    differences: list[float]
    sentence: str
    hyperparameters: list[dict[str, Any]]
    diverged_trials: int
    edges: list[str]

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `equivalent` or `undecided`, after correction for their number."""
        return self.decision.word


class Results(NamedTuple):
    """A whole benchmark.

    Attributes:
        rules: The fields of its `Protocol`.
        baseline: Name of the baseline.
        workloads: One for each workload.
        verdicts: In the order of workloads and optimizers.
        ranks: Workload -> optimizer -> first and last rank of its simultaneous interval.
        excluded: The optimizers that could not take part.
        keys: Every key that was used in its folder, in order.
        calibration: The last calibration of this protocol, or None.
        manifest: What it was run with.
    """

    rules: dict[str, Any]
    baseline: str
    workloads: list[WorkloadResult]
    verdicts: list[Verdict]
    ranks: dict[str, dict[str, tuple[int, int]]]
    excluded: list[Excluded]
    keys: list[int]
    calibration: dict[str, Any] | None
    manifest: dict[str, Any]
