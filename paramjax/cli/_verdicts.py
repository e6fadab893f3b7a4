"""The verdicts of a benchmark in the terminal: sentences, tables, warnings, the report."""

from __future__ import annotations

import math
import os
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from paramjax._format import number
from paramjax.cli._cautions import cautions
from paramjax.cli._terminal import console, table, warn

if TYPE_CHECKING:
    from paramjax.bench._results import Results, Verdict, WorkloadResult

_WIDE = 110
"""Columns from which there is room for more than the verdict."""

_COLOURS = {"better": "green", "worse": "red", "equivalent": "cyan", "undecided": "yellow"}
_SPLITS = {
    "anew": "rows split anew in each replicate",
    "once": "one random split, the same in every replicate",
    "published": "the published split, the same in every replicate",
    "test fixed": "the same test rows in every replicate, the others split anew",
    "training fixed": "the same training rows in every replicate, the others split anew",
}


def show_results(results: Results, page: Path, *, open_it: bool) -> None:
    """Print verdicts, warnings about them, and the address of the report."""
    out = console()
    if results.verdicts:
        out.print(procedure(results), markup=False)
    else:
        out.print(
            f"no verdicts: neither the baseline {results.baseline} nor a second optimizer has all "
            "its trainings",
            markup=False,
        )
    for workload in results.workloads:
        if verdicts := [v for v in results.verdicts if v.workload == workload.name]:
            _show_workload(out, workload, verdicts, results.rules)
    for text in cautions(results):
        warn(text)
    out.print(f"report: {page.absolute().as_uri()}", soft_wrap=True, markup=False)
    has_screen = sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if open_it and has_screen:
        webbrowser.open(page.absolute().as_uri())


def procedure(results: Results) -> str:
    """What was done once in each replicate, and how often."""
    rules = results.rules
    used = {verdict.decision.replicates for verdict in results.verdicts}
    low, high = min(used), max(used)
    replicates = _count(high, "replicate") if low == high else f"{low} to {high} replicates"
    until = ", added until decided" if rules["looks"] else ""
    return (
        f"Each verdict compares whole searches: {replicates}{until}, paired with those "
        f"of {results.baseline}; in each, {_count(rules['trials'], 'trial')} of "
        f"{_count(rules['steps'], 'step')} on validation rows "
        f"({_count(rules['tuning_seeds'], 'seed')}), and the best one on test rows "
        f"({_count(rules['report_seeds'], 'seed')}). Key {rules['key']}. A pair is won or lost if "
        "the difference is more than the margin."
    )


def _show_workload(
    out: Console, workload: WorkloadResult, verdicts: Sequence[Verdict], rules: Mapping[str, Any]
) -> None:
    out.print()
    terms = _terms(workload, these_rows=rules.get("these_rows", False))
    out.print(Text.assemble((workload.name, "bold"), ": ", terms))
    for line in sentences(verdicts):
        text = Text(line)
        for word, colour in _COLOURS.items():
            text.highlight_words([word], colour)
        out.print(Padding(text, (0, 0, 0, 2), expand=False))
    out.print(_table(workload, verdicts, wide=out.width >= _WIDE))
    if corrected := [v for v in verdicts if v.decision.alone != v.verdict]:
        alone = ", ".join(f"{v.optimizer} {v.decision.alone}" for v in corrected)
        out.print(f"* before the correction for many comparisons (Holm): {alone}", markup=False)


def _terms(workload: WorkloadResult, *, these_rows: bool) -> str:
    """By which metric, within which margin and on which rows it is decided."""
    better = "larger" if workload.maximise else "smaller"
    reason = f" ({workload.margin_reason})" if workload.margin_reason else ""
    rows = ", ".join(f"{n:,} {part}" for part, n in workload.rows.items())
    split = _SPLITS.get(workload.split, workload.split)
    speed = "" if workload.bears_verdicts else "; too small to carry a verdict, kept for its speed"
    about = (
        "the verdicts are about these rows alone"
        if these_rows
        else ("the verdicts are about other rows like these")
    )
    wider = f"; {about}" if workload.variance_ratio else ""
    return (
        f"test {workload.metric}, {better} is better; differences up to {workload.margin:.3g} do "
        f"not matter{reason}; {split} ({rows}){wider}{speed}"
    )


def sentences(verdicts: Sequence[Verdict]) -> list[str]:
    """The verdicts in words; those that are equivalent share one sentence, as do the undecided."""
    equal = [v for v in verdicts if v.verdict == "equivalent"]
    open_ = [v for v in verdicts if v.verdict == "undecided"]
    decided = [v.sentence for v in verdicts if v not in equal and v not in open_]
    within = [v.sentence for v in equal] if len(equal) < 2 else [_equivalent(equal)]
    if len(open_) < 2:
        return [*decided, *within, *(verdict.sentence for verdict in open_)]
    return [*decided, *within, *_open(open_), *_same_rows(open_)]


def _same_rows(verdicts: Sequence[Verdict]) -> list[str]:
    """What holds on the rows of the workload, though not yet on others like them."""
    words: dict[str, list[str]] = {}
    for verdict in verdicts:
        word = verdict.decision.on_these_rows
        if verdict.decision.alone == "undecided" and word != "undecided":
            words.setdefault(word, []).append(verdict.optimizer)
    found = "; ".join(f"{word} {', '.join(names)}" for word, names in sorted(words.items()))
    if not found:
        return []
    return [f"on these very rows, each by itself (--these-rows): {found}; others may differ"]


def _equivalent(verdicts: Sequence[Verdict]) -> str:
    """The sentence of the first, about all of them."""
    first, names = verdicts[0], [verdict.optimizer for verdict in verdicts]
    rest = first.sentence.removeprefix(f"{names[0]} is ")
    return f"{', '.join(names[:-1])} and {names[-1]} are {rest}"


def _open(verdicts: Sequence[Verdict]) -> list[str]:
    """What is undecided, and the replicates that would probably decide it."""
    needed = {verdict.optimizer: verdict.decision.needed for verdict in verdicts}
    line = f"undecided against {verdicts[0].baseline}: {', '.join(needed)}"
    if len({verdict.decision.reason for verdict in verdicts}) == 1:
        return [f"{line}: {verdicts[0].decision.reason}"]
    reachable = [f"{name} {count}" for name, count in needed.items() if count is not None]
    rest = [name for name, count in needed.items() if count is None]
    if not reachable:
        return [f"{line}; more replicates alone would decide none of them"]
    line += f"; replicates that would probably decide it: {', '.join(reachable)}"
    return [line + (f"; more alone would not decide {', '.join(rest)}" if rest else "")]


def _table(workload: WorkloadResult, verdicts: Sequence[Verdict], *, wide: bool) -> Table:
    from paramjax.bench.report._formatting import decimals

    digits = decimals(workload.margin, [v.decision.interval for v in verdicts])
    made = table()
    made.add_column("optimizer", overflow="fold")
    made.add_column("verdict", no_wrap=True)
    for column in ("mean", "difference", "95 % interval", "won/lost"):
        made.add_column(column, justify="right", no_wrap=True)
    if wide:
        made.add_column("wins", justify="right", no_wrap=True)
        made.add_column("Holm p", justify="right", no_wrap=True)
        made.add_column("needed", justify="right")
        made.add_column("diverged", justify="right")
    made.add_row(*_baseline_row(verdicts[0], digits))
    counted = len({verdict.decision.replicates for verdict in verdicts}) > 1
    for verdict in verdicts:
        made.add_row(*_row(verdict, digits, counted)[: len(made.columns)])
    return made


def _baseline_row(verdict: Verdict, digits: int) -> list[str]:
    from paramjax.bench.report._formatting import fixed

    return [escape(verdict.baseline), "[dim]baseline[/]", fixed(verdict.baseline_value, digits)]


def _row(verdict: Verdict, digits: int, counted: bool) -> list[str]:
    from paramjax.bench.report._formatting import bracketed, fixed, signed

    own, colour = verdict.decision, _COLOURS[verdict.verdict]
    mark = "" if own.alone == verdict.verdict else "*"
    known = math.isfinite(own.difference)
    ends = known and all(map(math.isfinite, own.interval))
    return [
        escape(verdict.optimizer),
        f"[{colour}]{verdict.verdict}[/]{mark}",
        fixed(verdict.value, digits) if math.isfinite(verdict.value) else "lost",
        signed(own.difference, digits) if known else "-",
        escape(bracketed(own.interval, digits)) if ends else "-",
        f"{own.wins}/{own.losses}" + (f" of {own.replicates}" if counted else ""),
        f"{100 * own.probability:.0f} %",
        number(own.p_adjusted, 2) if math.isfinite(own.p_adjusted) else "-",
        str(own.needed or "-"),
        str(verdict.diverged_trials),
    ]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
