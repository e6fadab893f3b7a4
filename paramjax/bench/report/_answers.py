"""What a verdict is about and what to be wary of, in sentences."""

from __future__ import annotations

import math
from typing import Any

from paramjax._format import number
from paramjax.bench._results import Results
from paramjax.bench._splits import ANEW
from paramjax.bench.report._formatting import count, listed, percent
from paramjax.bench.report._view import View
from paramjax.bench.statistics import FEWEST_REPLICATES, UNDECIDED, caution

_SPLITS = {
    "anew": "Each replicate splits the rows anew",
    "once": "Every replicate uses the same split, so the verdicts are on this split",
    "published": "Every replicate uses the published split, so the verdicts are on this split",
    "test fixed": (
        "The test rows are always the same; training and validation rows are drawn anew in each "
        "replicate"
    ),
    "training fixed": (
        "The training rows are always the same; validation and test rows are drawn anew in each "
        "replicate"
    ),
}


def about(view: View) -> list[str]:
    """Budget and replicates; margin, split and its rows; the variance factor that decided."""
    workload, rules = view.workload, view.rules
    seeds = count(rules["tuning_seeds"], "seed")
    procedure = (
        f"A verdict is about the whole procedure: {count(rules['trials'], 'trial')} of tuning "
        f"({seeds} each), the trial that is best on validation rows, its score on test rows "
        f"(mean of {count(rules['report_seeds'], 'new training')}), in {view.replicates}"
        f"{', added until decided,' if rules.get('looks') else ''} paired with those of "
        f"{view.baseline}."
    )
    reason = f" ({workload.margin_reason.rstrip('.')})" if workload.margin_reason else ""
    rows = ", ".join(f"{size:,} {part}" for part, size in workload.rows.items())
    split = _SPLITS.get(workload.split, f"Split: {workload.split}")
    margin = (
        f"Differences in test {workload.metric} of up to {number(workload.margin, 3)} do not "
        f"matter{reason}. {split}{f' ({rows})' if rows else ''}."
    )
    return [procedure, margin, *_factor(view)]


def _factor(view: View) -> list[str]:
    """Which variance factor decided, if an interval did."""
    decided = [v.decision for v in view.verdicts if math.isfinite(v.decision.factor)]
    if not decided:
        return []
    replicates, factor = decided[0].replicates, decided[0].factor
    plain = 1 / max(replicates, 1)
    if factor <= plain * (1 + 1e-9) and view.workload.variance_ratio:
        return [
            f"The verdicts are about these rows alone: the variance of a mean difference is that "
            f"of the differences times 1/{replicates}, as between replicates that are independent "
            "given the rows. The second interval of the table is about other rows like them "
            "(Nadeau and Bengio, 2003)."
        ]
    if factor <= plain * (1 + 1e-9):
        return [
            f"The variance of a mean difference is that of the differences times 1/{replicates}, "
            "as between independent replicates."
        ]
    wider = math.sqrt(factor / plain)
    return [
        f"The variance of a mean difference is that of the differences times {number(factor, 3)} "
        f"= 1/{replicates} + {number(view.workload.variance_ratio, 3)}, because replicates share "
        f"rows (Nadeau and Bengio, 2003); intervals are {wider:.2f} times as wide as with "
        f"1/{replicates} alone."
    ]


def cautions(view: View) -> list[str]:
    """Reasons to read the verdicts of a workload with care."""
    workload, found = view.workload, list(view.workload.warnings)
    if not workload.bears_verdicts and not any("carry a verdict" in text for text in found):
        found.insert(0, "This workload is kept for speed and cannot carry a verdict.")
    few = min((v.decision.replicates for v in view.verdicts), default=FEWEST_REPLICATES)
    if few < FEWEST_REPLICATES:
        found.append(
            f"With {count(few, 'replicate')} no optimizer can be better or worse; take "
            f"{FEWEST_REPLICATES} or more."
        )
    changed = [
        f"{v.optimizer} (alone {v.decision.alone}, among all {v.verdict})"
        for v in view.verdicts
        if v.decision.alone != v.verdict
    ]
    if changed:
        found.append(f"Corrected for the number of comparisons (Holm, 1979): {listed(changed)}.")
    gone = [
        f"{name} {n} of {len(result.scores)}"
        for name, result in view.optimizers.items()
        if (n := sum(not math.isfinite(score) for score in result.scores))
    ]
    if gone:
        found.append(f"Replicates lost because a report training had no end: {listed(gone)}.")
    found += [f"{v.optimizer}: {text}." for v in view.verdicts
              if (text := caution(v.decision, v.differences))]  # fmt: skip
    return found + [
        f"{name}: {flag}"
        for name, result in view.optimizers.items()
        for flag in result.audit.get("flags", [])
    ]


def keys_sentence(results: Results) -> str:
    """The keys that were used in the folder, and what more than one means."""
    keys = [str(key) for key in results.keys]
    if len(keys) < 2:
        return f"Key: {listed(keys)}; no other was used in this folder."
    return (
        f"{len(keys)} keys were used in this folder: {listed(keys)}. This report shows key "
        f"{results.rules.get('key')}. Choosing among keys is choosing a result: report all of "
        "them, or the first."
    )


def calibration_rows(calibration: dict[str, Any] | None) -> list[tuple[str, ...]]:
    """Workload, case, rate, interval and number of comparisons of each rate that was measured."""
    found: list[tuple[str, ...]] = []
    for workload, own in (calibration or {}).get("workloads", {}).items():
        name = own["optimizer"]
        copy = f"{name} against its copy"
        cases = {
            f"{copy}: better or worse, which is false": own["false"],
            f"{copy}: equivalent, which is right": own["equivalent"],
        }
        cases |= {
            f"{copy}, made worse by {number(float(shift))} of a standard deviation: worse": rate
            for shift, rate in own["handicaps"].items()
        }
        cases |= _against(name, own["against"], "")
        if own["split"] == ANEW:
            here = "on these rows alone, "
            cases[f"{here}{copy}: better or worse, which is false"] = own["false_on_these_rows"]
            cases |= _against(name, own["against_on_these_rows"], here)
        found += [(workload, case, *_rate(rate)) for case, rate in cases.items()]
    return found


def _against(name: str, against: dict[str, Any], where: str) -> dict[str, Any]:
    """Case -> rate of every word on the other optimizers."""
    return {
        f"{where}{other} against {name}: {word}": rate
        for other, words in against.items()
        for word, rate in words.items()
    }


def calibrated_for(results: Results) -> str:
    """Whether the last calibration was of this protocol, in a sentence; empty without one."""
    if not results.calibration:
        return ""
    measured, rules = results.calibration.get("protocol", {}), results.rules
    other = [
        f"{name} {measured[name]} there, {rules[name]} here"
        for name in measured
        if name != "key" and name in rules and measured[name] != rules[name]
    ]
    if other:
        return f"Another protocol was calibrated: {listed(other)}. Calibrate this one anew."
    return "This protocol was calibrated."


def _rate(rate: dict[str, Any]) -> tuple[str, str, str]:
    low, high = map(percent, rate["interval"])
    return percent(rate["share"]), f"{low} to {high}", str(rate["comparisons"])


def tally(view: View) -> list[tuple[str, int]]:
    """Each word with how many got it, undecided last."""
    words = [verdict.verdict for verdict in view.verdicts]
    order = [word for word in dict.fromkeys(words) if word != UNDECIDED]
    return [(word, words.count(word)) for word in [*order, UNDECIDED] if word in words]
