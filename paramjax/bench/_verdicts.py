"""From replicates to verdicts: paired differences, a margin, and one of four words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paramjax.bench._replicates import chosen_hyperparameters, diverged_trials, edges
from paramjax.bench._results import OptimizerResult, Verdict, WorkloadResult
from paramjax.bench._sentences import sentence
from paramjax.bench.statistics import (
    LEVEL,
    Decision,
    adjust,
    boundaries,
    decide,
    rank_intervals,
)


def verdicts_of(
    workloads: Sequence[WorkloadResult], baseline: str, rules: Mapping[str, Any]
) -> list[Verdict]:
    """Compare every complete optimizer with the baseline, corrected for their number."""
    pairs = [
        (workload, other, workload.optimizers[baseline])
        for workload in workloads
        if baseline in workload.optimizers
        for name, other in workload.optimizers.items()
        if name != baseline and _comparable(other, workload.optimizers[baseline])
    ]
    decisions = adjust([_decision(*pair, rules) for pair in pairs])
    return [
        _verdict(*pair, decision, rules["trials"])
        for pair, decision in zip(pairs, decisions, strict=True)
    ]


def ranks_of(workload: WorkloadResult) -> dict[str, tuple[int, int]]:
    """First and last rank of each complete optimizer, simultaneous at 95 %."""
    scores = {name: own.scores for name, own in workload.optimizers.items() if own.complete}
    count = min(map(len, scores.values()), default=0)
    if len(scores) < 2 or count < 2:
        return {}
    paired = {name: np.array(own[:count]) for name, own in scores.items()}
    return rank_intervals(
        paired,
        maximise=workload.maximise,
        variance_ratio=workload.variance_ratio,
        level=LEVEL,
    )


def _comparable(other: OptimizerResult, baseline: OptimizerResult) -> bool:
    return other.complete and 0 < len(other.scores) <= len(baseline.scores)


def _decision(
    workload: WorkloadResult, other: OptimizerResult, baseline: OptimizerResult,
    rules: Mapping[str, Any],
) -> Decision:  # fmt: skip
    count = len(other.scores)
    return decide(
        other.scores, baseline.scores[:count], margin=workload.margin, maximise=workload.maximise,
        variance_ratio=workload.variance_ratio, these_rows=bool(rules.get("these_rows")),
        level=_level(count, rules.get("looks") or []),
    )  # fmt: skip


def _level(replicates: int, looks: Sequence[int]) -> float:
    """The level of the last look that a comparison has reached, the first one's before that."""
    if not looks:
        return LEVEL
    reached = sum(look <= replicates for look in looks)
    return boundaries(looks, LEVEL)[max(0, reached - 1)]


def _verdict(
    workload: WorkloadResult, other: OptimizerResult, baseline: OptimizerResult,
    decision: Decision, trials: int,
) -> Verdict:  # fmt: skip
    first, second = np.array(other.scores), np.array(baseline.scores[: len(other.scores)])
    return Verdict(
        workload=workload.name,
        optimizer=other.optimizer,
        baseline=baseline.optimizer,
        metric=workload.metric,
        margin=workload.margin,
        decision=decision,
        value=_mean(first),
        baseline_value=_mean(second),
        differences=(first - second).tolist(),
        sentence=sentence(
            other.optimizer, baseline.optimizer, workload.name, workload.metric, workload.margin,
            decision, trials,
        ),
        hyperparameters=chosen_hyperparameters(other.replicates),
        diverged_trials=diverged_trials(other.replicates),
        edges=edges(other.replicates, other.space),
    )  # fmt: skip


def _mean(scores: np.ndarray) -> float:
    finite = scores[np.isfinite(scores)]
    return float(finite.mean()) if finite.size else math.nan


def flat(verdict: Verdict) -> dict[str, Any]:
    """A verdict as one row of a table: its decision beside its names, `verdict` for the word."""
    fields = verdict.decision._asdict()
    names = {name: getattr(verdict, name) for name in ("workload", "optimizer", "baseline")}
    rest = {n: v for n, v in verdict._asdict().items() if n not in names and n != "decision"}
    word = {"verdict": fields.pop("word"), "uncorrected": fields.pop("alone")}
    return {**names, **word, **rest, **fields}
