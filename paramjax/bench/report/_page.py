"""Everything that the template shows, gathered from records, statistics and manifest."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from paramjax.bench._entries import Excluded
from paramjax.bench._records import Records
from paramjax.bench._rows import OptimizerRow
from paramjax.bench._statistics import LEVEL, results, verdicts
from paramjax.bench.report._answers import Evidence, Row, answer, few_seeds, gather, rows, warnings
from paramjax.bench.report._curves import curve_plot
from paramjax.bench.report._forest import forest_plot
from paramjax.bench.report._formatting import setting
from paramjax.bench.report._search import search_plot, shared_scale
from paramjax.bench.report._style import Figure, Style, styles


class Section(NamedTuple):
    """One workload on the page.

    Attributes:
        id: Of its heading.
        evidence: Its trainings, results and verdicts.
        answer: Verdicts with the optimizers that got them.
        rows: Of the table.
        warnings: In sentences.
        forest: The differences, or None without verdicts.
        curves: Learning curves, empty without report trainings.
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
        optimizers: The optimizers that took part.
        styles: Optimizer -> style.
        excluded: The optimizers that could not take part.
        few_seeds: The number of report seeds if it is small, else None.
        comparisons: Number of verdicts.
        by_chance: Expected number of decided verdicts if no optimizer differed.
        incomplete: Whether trainings are missing.
        command: The command to run the benchmark again, or empty.
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


def make_page(records: Records, manifest: dict[str, Any], excluded: Sequence[Excluded]) -> Page:
    """Gather the report of a benchmark, finished or not."""
    optimizers, rules = records.optimizers(), records.rules()
    by_name = styles([row.optimizer for row in optimizers])
    decided = verdicts(records)
    evidence = [
        gather(records, workload, decided, results(records, workload))
        for workload in records.workloads()
    ]
    return Page(
        rules=rules,
        baseline=rules.get("baseline"),
        sections=[_section(i, item, optimizers, by_name) for i, item in enumerate(evidence)],
        optimizers=optimizers,
        styles=by_name,
        excluded=excluded,
        few_seeds=few_seeds(evidence),
        comparisons=len(decided),
        by_chance=(1 - LEVEL) * len(decided),
        incomplete=any(item.incomplete for item in evidence),
        command=_command(manifest),
        manifest=[(name, _text(value)) for name, value in manifest.items() if name != "command"],
    )


def describe(distribution: dict[str, Any]) -> str:
    """A distribution of a search space in words.

    Example:
        >>> describe({"kind": "LogUniform", "logarithmic": True, "low": 0.1, "high": 1.0})
        '0.1 to 1, logarithmic'
    """
    if "low" in distribution:
        scaled = ", logarithmic" if distribution.get("logarithmic") else ""
        return f"{setting(distribution['low'])} to {setting(distribution['high'])}{scaled}"
    if "options" in distribution:
        return "one of " + ", ".join(setting(option) for option in distribution["options"])
    return str(distribution.get("kind", ""))


def _section(
    index: int, evidence: Evidence, optimizers: Sequence[OptimizerRow], by_name: dict[str, Style]
) -> Section:
    id, workload, decided = f"workload-{index}", evidence.workload, evidence.verdicts
    return Section(
        id=id,
        evidence=evidence,
        answer=answer(evidence),
        rows=rows(evidence),
        warnings=warnings(evidence),
        forest=forest_plot(f"{id}-forest", workload, decided, by_name) if decided else None,
        curves=_curves(id, evidence, by_name),
        searches=_searches(id, evidence, optimizers, by_name),
        curved=[name for name, trainings in evidence.report.items() if trainings],
    )


def _curves(id: str, evidence: Evidence, by_name: dict[str, Style]) -> list[Figure]:
    """The deciding metric on test data and the loss on training data."""
    metric, higher = evidence.workload.metric, evidence.workload.maximise
    names = [(metric, f"test {metric}", higher), ("train_loss", "training loss", False)]
    figures = [
        curve_plot(
            f"{id}-curve-{i}",
            name,
            evidence.report,
            by_name,
            title=title,
            maximise=maximise,
            baseline=evidence.baseline,
        )
        for i, (name, title, maximise) in enumerate(names)
    ]
    return [figure for figure in figures if figure is not None]


def _searches(
    id: str, evidence: Evidence, optimizers: Sequence[OptimizerRow], by_name: dict[str, Style]
) -> list[tuple[Style, Figure]]:
    """Style and search plot of each optimizer with trials, all on one scale."""
    workload = evidence.workload
    trainings = [training for group in evidence.tuning.values() for training in group]
    scale = shared_scale(trainings, maximise=workload.maximise)
    plots = []
    for i, row in enumerate(optimizers):
        tuning, report = evidence.tuning[row.optimizer], evidence.report[row.optimizer]
        if tuning:
            chosen, style = report[0].trial if report else None, by_name[row.optimizer]
            figure = search_plot(f"{id}-search-{i}", workload, row, tuning, chosen, style, scale)
            plots.append((style, figure))
    return plots


def _command(manifest: dict[str, Any]) -> str:
    command = manifest.get("command", "")
    return command if isinstance(command, str) else shlex.join(str(word) for word in command)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, default=str)
