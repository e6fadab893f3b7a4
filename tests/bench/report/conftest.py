"""Records made by hand, every number known, and a reader that takes a report apart."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from paramjax import log_uniform
from paramjax.bench import Protocol, Records
from paramjax.bench._rows import WorkloadRow
from paramjax.optim import Optimizer
from paramjax.populations import Record
from paramjax.runs import Status

DIGITS = ("digits", "accuracy", True)
PROTOCOL = Protocol(trials=4, tuning_seeds=2, seeds=6, steps=30, evaluations=3)


def add_workload(
    records: Records, name: str, *, metric: str = "accuracy", higher: bool = True
) -> None:
    initial = dict.fromkeys(PROTOCOL.report_seed_numbers, 0.1 if higher else 2.0)
    records.add_workload(WorkloadRow(name, "a workload", metric, higher, initial, "data"))


def add_optimizer(records: Records, name: str) -> None:
    space = {"learning_rate": log_uniform(1e-3, 1.0)}
    records.add_optimizer(Optimizer(name, lambda **_: None, space, f"{name} (2020)"), "v1")


def training(
    trial: int, seed: int, value: float, *, metric: str = "accuracy", step: int | None = None
) -> Record:
    """A training that rises to `value`, or is lost from `step` on."""
    lost = step is not None
    level = 0.9 if math.isnan(value) else value
    along = [math.nan if lost and at >= step else level * at / 30 for at in (10, 20, 30)]
    return Record(
        trial=trial,
        seed=seed,
        hyperparameters={"learning_rate": (0.002, 0.02, 0.2, 0.9)[trial]},
        status=Status.DIVERGED if lost else Status.FINISHED,
        diverged_step=step,
        metrics={metric: math.nan if lost else value},
        curve={"step": [10.0, 20.0, 30.0], "train_loss": [1.0, 0.5, 0.25], metric: along},
        steps=step if lost else 30,
    )


def add_tuning(records: Records, workload: str, name: str, metric: str = "accuracy") -> None:
    """Four trials; the last one is lost with its second seed."""
    rows = [
        training(trial, seed, 0.5 + 0.1 * trial + 0.01 * seed, metric=metric)
        for trial in range(3)
        for seed in range(2)
    ]
    rows += [training(3, 0, 0.6, metric=metric), training(3, 1, 0.6, metric=metric, step=15)]
    records.add(workload, name, "tuning", metric, rows)


def add_report(
    records: Records, workload: str, name: str, values: Sequence[float], metric: str = "accuracy"
) -> None:
    """The chosen trial, one value a report seed; NaN is a training lost at step 12."""
    rows = [
        training(2, seed, value, metric=metric, step=12 if math.isnan(value) else None)
        for seed, value in zip(PROTOCOL.report_seed_numbers, values, strict=False)
    ]
    records.add(workload, name, "report", metric, rows)


Make = Callable[..., Records]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A function that makes records from report values by optimizer; None trains nothing."""
    opened: list[Records] = []

    def build(values: dict[str, Sequence[float] | None], workloads=(DIGITS,)) -> Records:
        records = Records(tmp_path / f"out{len(opened)}")
        opened.append(records)
        seeds = PROTOCOL.report_seed_numbers
        records.require({**vars(PROTOCOL), "report_seeds": [seeds.start, seeds.stop]})
        records.note({"baseline": "adamw"})
        for workload, metric, higher in workloads:
            add_workload(records, workload, metric=metric, higher=higher)
            for name, reported in values.items():
                add_optimizer(records, name)
                if reported is not None:
                    add_tuning(records, workload, name, metric)
                    add_report(records, workload, name, reported, metric)
        return records

    yield build
    for records in opened:
        records.close()


@pytest.fixture
def values() -> dict[str, list[float]]:
    """Report values with one verdict of each kind."""
    base = [0.90, 0.91, 0.92, 0.90, 0.91, 0.92]
    return {
        "adamw": base,
        "good": [value + 0.05 + 0.001 * i for i, value in enumerate(base)],
        "bad": [value - 0.05 - 0.001 * i for i, value in enumerate(base)],
        "alike": [value + 0.01 * (-1) ** i for i, value in enumerate(base)],
    }


class Read(NamedTuple):
    """What a parser found: tags with their attributes, scripts by kind, and visible text."""

    tags: list[tuple[str, dict[str, str | None]]]
    scripts: list[str]
    figures: dict[str, dict[str, Any]]
    text: str


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.bodies: list[tuple[dict[str, str | None], list[str]]] = []
        self.words: list[str] = []
        self.inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.bodies.append((dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        self.inside = None if tag in ("script", "style") else self.inside

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.bodies[-1][1].append(data)
        elif self.inside != "style":
            self.words.append(data)


@pytest.fixture(scope="session")
def read() -> Callable[[str], Read]:
    """A function that reads a report as a browser would."""
    return _read


def _read(html: str) -> Read:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    bodies = [(attrs, "".join(parts)) for attrs, parts in reader.bodies]
    return Read(
        tags=reader.tags,
        scripts=[body for attrs, body in bodies if "type" not in attrs],
        figures={str(a["id"])[:-5]: json.loads(body) for a, body in bodies if "type" in a},
        text=" ".join(" ".join(reader.words).split()),
    )
