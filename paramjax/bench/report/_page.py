"""Everything that the template shows, gathered from records, statistics and manifest."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from paramjax.bench._entries import Excluded
from paramjax.bench._records import Records
from paramjax.bench._rows import OptimizerRow
from paramjax.bench._statistics import LEVEL, Verdict, results, verdicts
from paramjax.bench.report._answers import Evidence, Row, answer, few_seeds, gather, rows, warnings
from paramjax.bench.report._curves import curves
from paramjax.bench.report._forest import forest
from paramjax.bench.report._formatting import setting
from paramjax.bench.report._search import scale, search
from paramjax.bench.report._style import Figure, Style, styles


class Section(NamedTuple):
    """One workload on the page.

    Attributes:
        id: Of its heading.
        evidence: What is known.
        answer: Verdicts with the optimizers that got them.
        rows: Of the table.
        warnings: In sentences.
        forest: The differences, or None without verdicts.
        curves: Learning curves, none if nothing was reported.
        searches: Style and search plot of each optimizer with trials.
        curved: The optimizers that have learning curves.
    """

    id: str
    evidence: Evidence
    answer: list[tuple[str, list[str]]]
    rows: list[Row]
    warnings: list[str]
    forest: Figure | None
    curves: list[Figure]
    searches: list[tuple[Style, Figure]]
    curved: list[str]


class Page(NamedTuple):
    """The whole report.

    Attributes:
        rules: Of the records.
        baseline: Name of the baseline, or None.
        sections: One for each workload.
        optimizers: Who took part.
        styles: One for each of them.
        excluded: Who could not take part.
        few_seeds: The number of report seeds if it is small, else None.
        comparisons: Number of verdicts.
        by_chance: How many of them chance alone would decide if nobody differed.
        incomplete: Whether trainings are missing.
        command: How to run it again, or empty.
        manifest: Name and value, as text.
    """

    rules: dict[str, Any]
    baseline: str | None
    sections: list[Section]
    optimizers: list[OptimizerRow]
    styles: dict[str, Style]
    excluded: Sequence[Excluded]
    few_seeds: int | None
    comparisons: int
    by_chance: float
    incomplete: bool
    command: str
    manifest: list[tuple[str, str]]

    @property
    def figures(self) -> list[Figure]:
        """All figures in the order of the page."""
        return [
            item
            for section in self.sections
            for item in (section.forest, *section.curves, *(f for _, f in section.searches))
            if item is not None
        ]


def make_page(records: Records, manifest: dict[str, Any], excluded: Sequence[Excluded]) -> Page:
    """Gather the report.

    Args:
        records: Of a benchmark, finished or not.
        manifest: What it was run with; missing entries are left out.
        excluded: Who could not take part.

    Returns:
        The page.
    """
    optimizers = records.optimizers()
    by_name = styles([row.optimizer for row in optimizers])
    judged, evidence = _evidence(records)
    return Page(
        rules=records.rules(),
        baseline=records.rules().get("baseline"),
        sections=[_section(i, item, optimizers, by_name) for i, item in enumerate(evidence)],
        optimizers=optimizers,
        styles=by_name,
        excluded=excluded,
        few_seeds=few_seeds(evidence),
        comparisons=len(judged),
        by_chance=(1 - LEVEL) * len(judged),
        incomplete=any(item.incomplete for item in evidence),
        command=_command(manifest),
        manifest=[(name, _text(value)) for name, value in manifest.items() if name != "command"],
    )


def describe(entry: dict[str, Any]) -> str:
    """A distribution of a search space in words.

    Example:
        >>> describe({"kind": "LogUniform", "logarithmic": True, "low": 0.1, "high": 1.0})
        '0.1 to 1, logarithmic'
    """
    if "low" in entry:
        scaled = ", logarithmic" if entry.get("logarithmic") else ""
        return f"{setting(entry['low'])} to {setting(entry['high'])}{scaled}"
    if "options" in entry:
        return "one of " + ", ".join(setting(option) for option in entry["options"])
    return str(entry.get("kind", ""))


def _evidence(records: Records) -> tuple[list[Verdict], list[Evidence]]:
    judged = verdicts(records)
    return judged, [gather(records, w, judged, results(records, w)) for w in records.workloads()]


def _section(
    index: int, evidence: Evidence, optimizers: Sequence[OptimizerRow], by_name: dict[str, Style]
) -> Section:
    id = f"workload-{index}"
    judged = evidence.verdicts
    return Section(
        id=id,
        evidence=evidence,
        answer=answer(evidence),
        rows=rows(evidence),
        warnings=warnings(evidence),
        forest=forest(f"{id}-forest", evidence.workload, judged, by_name) if judged else None,
        curves=_curves(id, evidence, by_name),
        searches=_searches(id, evidence, optimizers, by_name),
        curved=[name for name, trainings in evidence.report.items() if trainings],
    )


def _curves(id: str, evidence: Evidence, by_name: dict[str, Style]) -> list[Figure]:
    """The deciding metric on test data and the loss on training data."""
    metric, higher = evidence.workload.metric, evidence.workload.higher_is_better
    shown = [(metric, f"test {metric}", higher), ("train_loss", "training loss", False)]
    drawn = [
        curves(
            f"{id}-curve-{i}",
            name,
            evidence.report,
            by_name,
            title=title,
            higher_is_better=higher_is_better,
            thick=evidence.baseline,
        )
        for i, (name, title, higher_is_better) in enumerate(shown)
    ]
    return [item for item in drawn if item is not None]


def _searches(
    id: str, evidence: Evidence, optimizers: Sequence[OptimizerRow], by_name: dict[str, Style]
) -> list[tuple[Style, Figure]]:
    everyone = [training for group in evidence.tuning.values() for training in group]
    shared = scale(everyone, higher_is_better=evidence.workload.higher_is_better)
    drawn = []
    for i, row in enumerate(optimizers):
        tuning, report = evidence.tuning[row.optimizer], evidence.report[row.optimizer]
        if tuning:
            chosen, look = report[0].trial if report else None, by_name[row.optimizer]
            args = (f"{id}-search-{i}", evidence.workload, row, tuning, chosen, look, shared)
            drawn.append((look, search(*args)))
    return drawn


def _command(manifest: dict[str, Any]) -> str:
    command = manifest.get("command", "")
    return command if isinstance(command, str) else shlex.join(str(word) for word in command)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, default=str)
