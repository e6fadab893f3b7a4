"""What a reader should know before trusting the verdicts of a benchmark."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paramjax.bench._results import OptimizerResult, Results, WorkloadResult

FEWEST_REPLICATES = 6
"""Replicates below which the exact test cannot call an optimizer better or worse."""


def cautions(results: Results) -> list[str]:
    """Sentences, none if there is nothing to say."""
    found = _of_protocol(results)
    for workload in results.workloads:
        name = workload.name
        found += [w if w.startswith(name) else f"{name}: {w}" for w in workload.warnings]
        found += _unfinished(workload, results.rules["replicates"])
        found += _lost(workload)
        found += _skewed(results, name)
        found += _edges(results, name)
    # what an optimizer's program holds is the same on every workload
    costs = [_costs(w, results.baseline) for w in results.workloads]
    return found + list(dict.fromkeys(text for of_workload in costs for text in of_workload))


def _of_protocol(results: Results) -> list[str]:
    found, rules = [], results.rules
    if rules["replicates"] < FEWEST_REPLICATES:
        found.append(
            f"with --replicates {rules['replicates']} no optimizer can be better or worse: take "
            f"{FEWEST_REPLICATES} or more"
        )
    if len(results.keys) > 1:
        keys = ", ".join(map(str, results.keys))
        found.append(
            f"{len(results.keys)} keys were used in this folder ({keys}), and these are the "
            f"verdicts of key {rules['key']}: who chooses among keys chooses the verdict"
        )
    return found


def _unfinished(workload: WorkloadResult, replicates: int) -> list[str]:
    missing = [
        f"{name} ({len(own.scores)} of {replicates} replicates)"
        for name, own in workload.optimizers.items()
        if not own.complete or len(own.scores) < replicates
    ]
    return [f"{workload.name}: not finished: {', '.join(missing)}"] if missing else []


def _lost(workload: WorkloadResult) -> list[str]:
    """The optimizers of which replicates were lost."""
    counts = {
        name: sum(not math.isfinite(score) for score in own.scores)
        for name, own in workload.optimizers.items()
    }
    gone = [
        f"{name} {n} of {len(workload.optimizers[name].scores)}" for name, n in counts.items() if n
    ]
    if not gone:
        return []
    return [f"{workload.name}: replicates lost to a training that diverged: {', '.join(gone)}"]


def _skewed(results: Results, workload: str) -> list[str]:
    """The verdicts that may err more often than their level says."""
    from paramjax.bench.statistics import caution

    doubted: dict[str, list[str]] = {}
    for verdict in results.verdicts:
        if verdict.workload == workload:
            doubt = caution(verdict.decision, verdict.differences)
            doubted.setdefault(doubt, []).append(verdict.optimizer)
    return [f"{workload}: {', '.join(o)}: {doubt}" for doubt, o in doubted.items() if doubt]


def _edges(results: Results, workload: str) -> list[str]:
    at_edge = [
        f"{v.optimizer} {', '.join(v.edges)}"
        for v in results.verdicts
        if v.workload == workload and v.edges
    ]
    if not at_edge:
        return []
    return [
        f"{workload}: most replicates chose a trial at the edge of its space, widen it: "
        + "; ".join(at_edge)
    ]


def _costs(workload: WorkloadResult, baseline: str) -> list[str]:
    """What the audit found in the programs of the optimizers."""
    own = workload.optimizers.get(baseline)
    base = _gradients(own) if own is not None else 1.0
    found = []
    for name, other in workload.optimizers.items():
        spent = _gradients(other)
        if spent > base:
            times = "an unknown number of" if math.isinf(spent) else f"{spent:.3g}"
            found.append(f"{name} evaluates {times} gradients a step, {baseline} {base:.3g}")
        found += [f"{name}: {flag}" for flag in other.audit.get("flags", [])]
    return found


def _gradients(own: OptimizerResult) -> float:
    value = own.audit.get("gradients", 1.0)
    return float(value) if value is not None else math.inf
