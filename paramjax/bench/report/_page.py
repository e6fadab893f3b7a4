"""Everything that the template shows, gathered from the results."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from typing import Any, NamedTuple

from paramjax._format import byte_size
from paramjax.bench._results import OptimizerResult, Results
from paramjax.bench.entries import Excluded
from paramjax.bench.report._answers import (
    about,
    calibrated_for,
    calibration_rows,
    cautions,
    keys_sentence,
    tally,
)
from paramjax.bench.report._curves import curve_block
from paramjax.bench.report._forest import forest_block
from paramjax.bench.report._formatting import setting
from paramjax.bench.report._search import search_block, shared_scale
from paramjax.bench.report._style import Block, Style, styles
from paramjax.bench.report._table import Cost, Row, costs, rows, worth
from paramjax.bench.report._target import target_block
from paramjax.bench.report._tuning import budget_block, rate_block
from paramjax.bench.report._view import View, views


class Section(NamedTuple):
    """One workload on the page.

    Attributes:
        view: What it is drawn from.
        tally: Each word with how many got it.
        about: What its verdicts are about.
        cautions: Reasons to read them with care.
        rows: Of the table of verdicts.
        costs: Of the table of costs.
        worth: Whether equal steps are equal work.
        blocks: Figures with their texts.
    """

    view: View
    tally: list[tuple[str, int]]
    about: list[str]
    cautions: list[str]
    rows: list[Row]
    costs: list[Cost]
    worth: str
    blocks: list[Block]


class Entry(NamedTuple):
    """An optimizer in the section on integrity.

    Attributes:
        name: Its name.
        source: Paper or file.
        schedule: What it says of its own schedule.
        space: Hyperparameter -> its range in words.
        programs: Hashes of its program, one for each workload.
        audit: What was found in its program, and the bytes of numbers written into it.
    """

    name: str
    source: str
    schedule: str
    space: dict[str, str]
    programs: list[str]
    audit: list[str]


class Page(NamedTuple):
    """The whole report.

    Attributes:
        rules: The fields of the protocol.
        baseline: Name of the baseline.
        sections: One for each workload.
        entries: The optimizers that took part.
        styles: Optimizer -> style.
        excluded: The optimizers that could not take part.
        keys: Which keys were used, in a sentence.
        many_keys: Whether more than one was.
        calibration: Workload, case, rate, interval and comparisons of the last calibration.
        calibrated_for: Whether that was of this protocol, in a sentence.
        incomplete: Whether trainings are missing.
        command: The command to run the benchmark again, or empty.
        manifest: Name and value, as text.
    """

    rules: dict[str, Any]
    baseline: str
    sections: list[Section]
    entries: list[Entry]
    styles: dict[str, Style]
    excluded: list[Excluded]
    keys: str
    many_keys: bool
    calibration: list[tuple[str, ...]]
    calibrated_for: str
    incomplete: bool
    command: str
    manifest: list[tuple[str, str]]


def make_page(results: Results) -> Page:
    """Gather the report of a benchmark, finished or not."""
    names = dict.fromkeys(name for w in results.workloads for name in w.optimizers)
    by_name = styles(list(names))
    every = [result for w in results.workloads for result in w.optimizers.values()]
    return Page(
        rules=results.rules,
        baseline=results.baseline,
        sections=[_section(view) for view in views(results, by_name)],
        entries=[_entry(results, name) for name in names],
        styles=by_name,
        excluded=results.excluded,
        keys=keys_sentence(results),
        many_keys=len(results.keys) > 1,
        calibration=calibration_rows(results.calibration),
        calibrated_for=calibrated_for(results),
        incomplete=any(
            not result.complete or len(result.replicates) < results.rules["replicates"]
            for result in every
        ),
        command=_command(results.manifest),
        manifest=[(name, _text(v)) for name, v in results.manifest.items() if name != "command"],
    )


def describe(distribution: dict[str, Any]) -> str:
    """A distribution of a search space in words, with its volume.

    Example:
        >>> found = {"low": 0.001, "high": 1.0, "logarithmic": True, "volume": "3 decades"}
        >>> describe(found), describe({"options": ["a", "b"], "volume": "2 options"})
        ('0.001 to 1, logarithmic (3 decades)', 'a, b (2 options)')
    """
    drawn = distribution.get("distribution", distribution)  # a conditional one wraps another
    text = str(drawn.get("kind", ""))
    if "low" in drawn:
        scale = ", logarithmic" if drawn.get("logarithmic") else ""
        text = f"{setting(drawn['low'])} to {setting(drawn['high'])}{scale}"
    if "options" in drawn:
        text = ", ".join(setting(option) for option in drawn["options"])
    volume = distribution.get("volume", "")
    return f"{text} ({volume})" if volume else text


def _section(view: View) -> Section:
    scale = shared_scale(view)
    blocks = [
        forest_block(view),
        curve_block(view),
        budget_block(view),
        search_block(view, scale),
        rate_block(view, scale),
        target_block(view),
    ]
    return Section(
        view=view,
        tally=tally(view),
        about=about(view),
        cautions=cautions(view),
        rows=rows(view),
        costs=costs(view),
        worth=worth(view),
        blocks=[block for block in blocks if block is not None],
    )


def _entry(results: Results, name: str) -> Entry:
    own = {w.name: w.optimizers[name] for w in results.workloads if name in w.optimizers}
    first = next(iter(own.values()))
    return Entry(
        name=name,
        source=first.source,
        schedule=first.schedule or "none declared",
        space={key: describe(distribution) for key, distribution in first.space.items()},
        programs=list(
            dict.fromkeys(
                f"{workload}: {str(result.audit['program'])[:12]}"
                for workload, result in own.items()
                if result.audit.get("program")
            )
        ),
        audit=_found(own.values()),
    )


def _found(results: Iterable[OptimizerResult]) -> list[str]:
    """What the audit found in the programs of an optimizer, or that it found nothing."""
    audits = [result.audit for result in results]
    flags = dict.fromkeys(flag for audit in audits for flag in audit.get("flags", []))
    constants = max((int(audit.get("constants", 0)) for audit in audits), default=0)
    return [*(flags or ["nothing"]), f"{byte_size(constants)} of constants"]


def _command(manifest: dict[str, Any]) -> str:
    command = manifest.get("command", "")
    return command if isinstance(command, str) else shlex.join(str(word) for word in command)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, default=str)
