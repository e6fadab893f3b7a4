"""The progress of a benchmark: lines of one width in a terminal, one per optimizer elsewhere."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from paramjax.bench import Protocol
from paramjax.bench._benchmark import Plan
from paramjax.bench._runner import COMPILING, REPORT, TUNING, Progress
from paramjax.bench.workloads import get
from paramjax.cli._display import Display

PROTOCOL = Protocol(replicates=6, trials=6, tuning_seeds=1, report_seeds=2)
NAMES = ("digits_mlp", "breast_cancer_logistic")


def plan(**more):
    workloads = [get(name) for name in NAMES]
    return Plan(workloads=workloads, entries=[], baseline="adamw", protocol=PROTOCOL,
                out=Path("nowhere"), **more)  # fmt: skip


def shown(events, *, terminal, width=80, **more):
    """What is printed while the events arrive, a line each, without control characters."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system=None)
    with Display(console, plan(**more), 2) as display:
        for event in events:
            display.show(event)
            if terminal:
                display._bars.refresh()
    text = re.sub(r"\x1b\[[0-9?]*[A-Za-z]", "", out.getvalue().replace("\r", "\n"))
    return [line for line in text.split("\n") if line]


EVENTS = [
    Progress("digits_mlp", "adamw", COMPILING),
    Progress("digits_mlp", "a_file_of_mine.py:an_optimizer_of_mine", COMPILING),
    Progress("digits_mlp", "adamw", TUNING, 12, trained=False),
    Progress("digits_mlp", "adamw", TUNING, 12),
    Progress("digits_mlp", "adamw", TUNING, 12),
    Progress("digits_mlp", "adamw", REPORT, 12),
    Progress("breast_cancer_logistic", "adamw", COMPILING),
    Progress("breast_cancer_logistic", "adamw", TUNING, 36),
]


@pytest.mark.parametrize("width", [60, 80, 132])
def test_every_line_has_one_width_that_fits(width):
    lines = shown(EVENTS, terminal=True, width=width)
    assert len(lines) >= 2 * len(EVENTS)
    assert {len(line) for line in lines} == {width}


def test_it_says_what_is_compiled_trained_and_waited_for():
    lines = shown(EVENTS[:4], terminal=True)
    assert re.search(r"digits_mlp +0/96 -:--:-- left compiling$", lines[0].rstrip())
    assert any("0/96" in line and "compiling adamw" in line for line in lines)
    assert any("breast_cancer_logistic" in line and "waiting" in line for line in lines)
    assert any("24/96" in line and "tuning adamw" in line for line in lines)


def test_elsewhere_it_prints_a_line_for_each_finished_optimizer():
    assert shown(EVENTS, terminal=False) == ["digits_mlp: adamw done"]


def test_replicates_that_are_added_are_counted_once():
    """At a later look, what an earlier one trained is said to be there, and is not added."""
    later = [
        Progress("digits_mlp", "adamw", COMPILING),
        Progress("digits_mlp", "adamw", TUNING, 36, trained=False),
        Progress("digits_mlp", "adamw", REPORT, 12, trained=False),
        Progress("digits_mlp", "adamw", COMPILING),
        Progress("digits_mlp", "adamw", TUNING, 12),
        Progress("digits_mlp", "adamw", REPORT, 4),
    ]
    lines = shown(EVENTS[:6] + later, terminal=True, most=24)
    counts = [int(re.search(r"(\d+)/", line)[1]) for line in lines if "digits_mlp" in line]
    assert max(counts) == 64
    assert counts == sorted(counts)
    assert len({len(line) for line in lines}) == 1
