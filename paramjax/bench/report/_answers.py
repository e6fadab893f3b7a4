"""What the statistics say of one workload, as rows of a table and as sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from paramjax._status import Status
from paramjax.bench._protocol import REPORT, TUNING
from paramjax.bench._records import Records
from paramjax.bench._rows import Training, WorkloadRow
from paramjax.bench._selection import by_trial, diverged_trials
from paramjax.bench._statistics import BETTER, FEWEST_SEEDS, UNDECIDED, WORSE, Result, Verdict
from paramjax.bench.report._forest import best_first
from paramjax.bench.report._formatting import (
    bracketed,
    count,
    decimals,
    fixed,
    listed,
    settings,
    signed,
)

BASELINE, INCOMPLETE, WAITING = "baseline", "incomplete", "no verdict"


class Row(NamedTuple):
    """One optimizer on one workload, as the table shows it.

    Attributes:
        optimizer: Its name.
        status: A verdict, or `baseline`, `incomplete` or `no verdict`.
        difference: From the baseline, or empty.
        interval: In brackets, or empty.
        value: Mean test metric over the report seeds, or empty.
        seeds: Number of report trainings.
        diverged_trials: Diverged trials of all trials.
        diverged_seeds: Diverged report trainings of all.
        hyperparameters: `name = value` of the chosen trial.
        notes: Reasons to read the row with care.
    """

    optimizer: str
    status: str
    difference: str
    interval: str
    value: str
    seeds: int
    diverged_trials: str
    diverged_seeds: str
    hyperparameters: list[str]
    notes: list[str]


class Evidence(NamedTuple):
    """Everything that the records and the statistics hold of one workload.

    Attributes:
        workload: The workload.
        baseline: Name of the baseline, or None if the records name none.
        verdicts: Verdicts on this workload, best difference first.
        results: Optimizer -> result, for complete optimizers.
        tuning: Optimizer -> tuning trainings.
        report: Optimizer -> report trainings.
        rules: The rules of the records.
    """

    workload: WorkloadRow
    baseline: str | None
    verdicts: list[Verdict]
    results: dict[str, Result]
    tuning: dict[str, list[Training]]
    report: dict[str, list[Training]]
    rules: dict[str, Any]

    @property
    def waiting(self) -> bool:
        """Whether the baseline is incomplete, so that there is no verdict yet."""
        return self.baseline not in self.results

    @property
    def incomplete(self) -> list[str]:
        """The optimizers of which trainings are missing."""
        return [name for name in self.report if name not in self.results]


def gather(
    records: Records,
    workload: WorkloadRow,
    verdicts: Sequence[Verdict],
    results: dict[str, Result],
) -> Evidence:
    """The trainings of one workload with its verdicts."""
    names = [row.optimizer for row in records.optimizers()]
    own = [verdict for verdict in verdicts if verdict.workload == workload.workload]
    rules = records.rules()
    return Evidence(
        workload=workload,
        baseline=rules.get("baseline"),
        verdicts=best_first(own, maximise=workload.maximise),
        results=results,
        tuning={name: records.trainings(workload.workload, name, TUNING) for name in names},
        report={name: records.trainings(workload.workload, name, REPORT) for name in names},
        rules=rules,
    )


def rows(evidence: Evidence) -> list[Row]:
    """The table of one workload: the baseline, the verdicts from the best on, then the rest."""
    digits = decimals(evidence.verdicts)
    verdicts = {verdict.optimizer: verdict for verdict in evidence.verdicts}
    first = [name for name in evidence.report if name == evidence.baseline]
    others = [name for name in evidence.report if name not in verdicts and name not in first]
    names = [*first, *verdicts, *others]
    return [_row(evidence, name, verdicts.get(name), digits) for name in names]


def answer(evidence: Evidence) -> list[tuple[str, list[str]]]:
    """`better`, `worse` and `undecided`, each with the names of its optimizers, best first."""
    return [
        (word, [v.optimizer for v in evidence.verdicts if v.verdict == word])
        for word in (BETTER, WORSE, UNDECIDED)
    ]


def warnings(evidence: Evidence) -> list[str]:
    """Reasons to read the results of a workload with care, in sentences."""
    found = []
    for name, result in evidence.results.items():
        if result.edges:
            found.append(
                f"{name}: the chosen {listed(result.edges)} lies at the edge of its range. "
                "A wider search space might have found a better one."
            )
        found += [f"{name}: {note}." for note in _not_finite(evidence.report[name])]
        if result.diverged_trials:
            trials = count(len(by_trial(evidence.tuning[name])), "trial")
            found.append(f"{name}: {result.diverged_trials} of {trials} diverged during tuning.")
    return found


def few_seeds(evidence: Sequence[Evidence]) -> int | None:
    """The number of report seeds if it is too small for a bootstrap interval, else None."""
    seeds = [verdict.seeds for item in evidence for verdict in item.verdicts]
    return min(seeds) if seeds and min(seeds) < FEWEST_SEEDS else None


def _row(evidence: Evidence, name: str, verdict: Verdict | None, digits: int) -> Row:
    result, report = evidence.results.get(name), evidence.report[name]
    trials = len(by_trial(evidence.tuning[name]))
    diverged = sum(training.status == Status.DIVERGED for training in report)
    return Row(
        optimizer=name,
        status=_status(evidence, name, verdict),
        difference=signed(verdict.difference, digits) if verdict else "",
        interval=bracketed(verdict.interval, digits) if verdict else "",
        value=fixed(result.mean, digits) if result else "",
        seeds=len(report),
        diverged_trials=f"{diverged_trials(evidence.tuning[name])} of {trials}",
        diverged_seeds=f"{diverged} of {len(report)}",
        hyperparameters=settings(report[0].hyperparameters) if report else [],
        notes=_notes(evidence, name, result),
    )


def _status(evidence: Evidence, name: str, verdict: Verdict | None) -> str:
    if verdict is not None:
        return verdict.verdict
    if name not in evidence.results:
        return INCOMPLETE
    return BASELINE if name == evidence.baseline else WAITING


def _notes(evidence: Evidence, name: str, result: Result | None) -> list[str]:
    if result is None:
        role = ["this is the baseline"] if name == evidence.baseline else []
        return [*role, _progress(evidence, name)]
    edges = [f"edge of the search: {edge}" for edge in result.edges]
    waits = ["waits for the baseline"] if evidence.waiting else []
    return [*edges, *waits, *_not_finite(evidence.report[name])]


def _progress(evidence: Evidence, name: str) -> str:
    """How many trainings of an incomplete optimizer are done."""
    tuning, report = len(evidence.tuning[name]), len(evidence.report[name])
    if not tuning + report:
        return "not trained on this workload"
    rules = evidence.rules
    planned = rules.get("trials", 0) * rules.get("tuning_seeds", 0)
    return f"{tuning} of {planned} tuning and {report} of {rules.get('seeds', 0)} report trainings"


def _not_finite(report: Sequence[Training]) -> list[str]:
    """A note if report trainings ended without a finite value."""
    lost = sum(not math.isfinite(training.value) for training in report)
    if not lost:
        return []
    return [
        f"{lost} of {count(len(report), 'report training')} ended without a finite value, "
        "counted as the worst value of any optimizer on this workload"
    ]
