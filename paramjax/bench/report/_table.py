"""Two tables of a workload: the verdicts, and what each optimizer costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from paramjax._format import number
from paramjax.bench._results import OptimizerResult, Verdict
from paramjax.bench.report._formatting import (
    ABSENT,
    bracketed,
    count,
    decimals,
    fixed,
    listed,
    p_text,
    probability,
    rank_text,
    setting,
    signed,
)
from paramjax.bench.report._target import reached
from paramjax.bench.report._tuning import bests, sensitivities
from paramjax.bench.report._view import View, all_trials, lost, reported

BASELINE, INCOMPLETE, WAITING = "baseline", "incomplete", "no verdict"

_DEARER = 1.1
"""Multiple of the baseline's flops from which a step counts as dearer."""


class Row(NamedTuple):
    """One optimizer on one workload, as the table of verdicts shows it.

    Attributes:
        optimizer: Its name.
        status: A verdict, or `baseline`, `incomplete` or `no verdict`.
        notes: What to know of the verdict: the uncorrected one, the test, how much is missing.
        value: Mean score of its replicates.
        difference: From the baseline.
        interval: Of the difference, 95 %.
        other_interval: With the other variance factor, if another one decided; else empty.
        probability: That it beats the baseline in a replicate.
        pairs: Wins, losses and ties.
        lost: Replicates lost by it and by the baseline.
        p_values: Adjusted: of a difference beyond the margin, of equivalence.
        rank: Its simultaneous interval.
        needed: Replicates that would probably decide it.
    """

    optimizer: str
    status: str
    notes: Sequence[str] = ()
    value: str = ABSENT
    difference: str = ABSENT
    interval: str = ""
    other_interval: str = ""
    probability: str = ABSENT
    pairs: str = ABSENT
    lost: str = ABSENT
    p_values: tuple[str, str] = (ABSENT, ABSENT)
    rank: str = ABSENT
    needed: str = ABSENT


class Cost(NamedTuple):
    """What one optimizer takes, as the second table shows it.

    Attributes:
        optimizer: Its name.
        flops: Of a step, as a multiple of the baseline's.
        gradients: Evaluated a step.
        target: Gradient evaluations until half of its trainings reached the target.
        misses: Trainings that never did, of all.
        sensitivity: To the learning rate.
        first: Expected validation score after one trial.
        last: The same after all trials of a replicate.
        lost: Trials and report trainings that were lost.
        chosen: `name = lowest to highest` of the chosen hyperparameters.
    """

    optimizer: str
    flops: str
    gradients: str
    target: str
    misses: str
    sensitivity: str
    first: str
    last: str
    lost: str
    chosen: list[str]


def rows(view: View) -> list[Row]:
    """The best mean score first, the baseline among the others."""
    verdicts = {verdict.optimizer: verdict for verdict in view.verdicts}
    places = decimals(view.workload.margin, [v.decision.interval for v in view.verdicts])
    means = {name: mean_score(result) for name, result in view.optimizers.items()}
    return [_row(view, name, means[name], verdicts.get(name), places)
            for name in view.best_first(means)]  # fmt: skip


def mean_score(result: OptimizerResult) -> float:
    """Mean over the replicates that are complete and not lost; NaN if none is."""
    finite = [score for score in result.scores if math.isfinite(score)]
    return sum(finite) / len(finite) if finite else math.nan


def _row(view: View, name: str, mean: float, verdict: Verdict | None, places: int) -> Row:
    value = fixed(mean, places) if math.isfinite(mean) else ABSENT
    rank = rank_text(view.ranks.get(name))
    if verdict is None:
        result = view.optimizers[name]
        role = BASELINE if name == view.baseline else WAITING
        status = INCOMPLETE if _progress(view, name) else role
        gone = sum(not math.isfinite(score) for score in result.scores)
        return Row(
            name, status, _progress(view, name), value=value, rank=rank,
            lost=str(gone) if gone else ABSENT,
        )  # fmt: skip
    decision = verdict.decision
    others = (decision.fixed_interval, decision.varied_interval)
    known = [ends for ends in others if all(map(math.isfinite, ends))]
    other = next((ends for ends in known if ends != decision.interval), None)
    return Row(
        optimizer=name,
        status=verdict.verdict,
        notes=_verdict_notes(view, verdict),
        value=value,
        difference=signed(decision.difference, places)
        if math.isfinite(decision.difference)
        else ABSENT,
        interval=bracketed(decision.interval, places),
        other_interval=bracketed(other, places) if other is not None else "",
        probability=probability(decision.probability),
        pairs=f"{decision.wins} / {decision.losses} / {decision.ties}",
        lost=_lost_pairs(verdict),
        p_values=(
            p_text(decision.p_adjusted),
            p_text(decision.p_equivalent_adjusted),
        ),
        rank=rank,
        needed=str(decision.needed) if decision.needed else ABSENT,
    )


def _verdict_notes(view: View, verdict: Verdict) -> list[str]:
    decision = verdict.decision
    notes = [f"alone: {decision.alone}"] if decision.alone != decision.word else []
    notes += [decision.method] if decision.method != "student" else []
    return notes + _progress(view, verdict.optimizer)


def _lost_pairs(verdict: Verdict) -> str:
    decision = verdict.decision
    text = f"{decision.lost} / {decision.lost_baseline}"
    return f"{text} (both: {decision.lost_both})" if decision.lost_both else text


def _progress(view: View, name: str) -> list[str]:
    """How many replicates of an optimizer are done, if not all."""
    result, planned = view.optimizers[name], view.rules["replicates"]
    if result.complete and len(result.replicates) >= planned:
        return []
    return [f"{len(result.scores)} of {count(planned, 'replicate')}"]


def costs(view: View) -> list[Cost]:
    """What each optimizer takes, in the order of the results."""
    best, sensitive, times = bests(view), sensitivities(view), reached(view)
    base = view.optimizers.get(view.baseline)
    flops = _number(base.audit, "flops") if base else math.nan
    made = []
    for name, result in view.optimizers.items():
        band, time = best.get(name), times.get(name)
        made.append(
            Cost(
                optimizer=name,
                flops=_multiple(_number(result.audit, "flops"), flops),
                gradients=_gradients(_number(result.audit, "gradients")),
                target=_time(time.median) if time else ABSENT,
                misses=f"{time.misses} of {len(time.times)}" if time else ABSENT,
                sensitivity=number(sensitive[name], 3) if name in sensitive else ABSENT,
                first=fixed(float(band.middle[0])) if band else ABSENT,
                last=fixed(float(band.middle[-1])) if band else ABSENT,
                lost=_lost_trainings(result),
                chosen=chosen(result),
            )
        )
    return made


def worth(view: View) -> str:
    """Whether equal steps are equal work."""
    base = view.optimizers.get(view.baseline)
    flops = _number(base.audit, "flops") if base else math.nan
    dear = {
        name: _number(result.audit, "flops") / flops
        for name, result in view.optimizers.items()
        if flops > 0 and _number(result.audit, "flops") > _DEARER * flops
    }
    many = {
        name: _number(result.audit, "gradients")
        for name, result in view.optimizers.items()
        if _number(result.audit, "gradients") > 1
    }
    if not dear and not many:
        return (
            "Verdicts compare equal steps; no step takes more than "
            f"{_DEARER} times the flops of the baseline's, nor more than one gradient."
        )
    texts = ["Verdicts compare equal steps, which are not equal work."]
    if dear:
        listing = listed([f"{name} {times:.2f}\u00d7" for name, times in dear.items()])
        texts.append(f"More flops than the baseline: {listing}.")
    if many:
        listing = listed([f"{name} {_gradients(value)}" for name, value in many.items()])
        texts.append(f"More than one gradient a step: {listing}.")
    return " ".join(texts)


def chosen(result: OptimizerResult) -> list[str]:
    """Each hyperparameter with the values that the replicates chose, as a range if numbers."""
    picked = [trial.hyperparameters for trial in all_trials(result) if trial.chosen]
    return [
        f"{name} = {_range([settings[name] for settings in picked if name in settings])}"
        for name in (picked[0] if picked else ())
    ]


def _range(values: Sequence[Any]) -> str:
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        low, high = setting(min(values)), setting(max(values))
        return low if low == high else f"{low} to {high}"
    return ", ".join(dict.fromkeys(setting(value) for value in values))


def _lost_trainings(result: OptimizerResult) -> str:
    tried, report = all_trials(result), reported(result)
    trials, trainings = sum(math.isnan(t.value) for t in tried), sum(map(lost, report))
    return f"{trials} of {len(tried)} / {trainings} of {len(report)}"


def _number(audit: dict[str, Any], name: str) -> float:
    """A number of the audit; NaN if it is missing, infinite if it has no bound."""
    value = audit.get(name, math.nan)
    return math.inf if value is None else float(value)


def _multiple(flops: float, of_baseline: float) -> str:
    return f"{flops / of_baseline:.2f}\u00d7" if of_baseline > 0 and flops == flops else ABSENT


def _gradients(value: float) -> str:
    if math.isinf(value):
        return "unbounded"
    return ABSENT if math.isnan(value) else number(value, 3)


def _time(value: float) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else "never"
