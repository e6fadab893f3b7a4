"""Records made by hand, every number known, and a reader that takes a report apart."""

import json
import math
from html.parser import HTMLParser
from typing import Any, NamedTuple

import pytest
from paramjax.bench._rows import WorkloadRow

import paramjax as pj
from paramjax.bench import Protocol, Records
from paramjax.optim import Optimizer

PROTOCOL = Protocol(trials=4, tuning_seeds=2, seeds=6, steps=30, evaluations=3)
SEEDS = PROTOCOL.report_seed_numbers


def training(trial, seed, value, *, metric, lost=None):
    """A training that rises to `value`, or whose loss is not finite from step `lost` on."""
    level = 0.9 if math.isnan(value) else value
    along = [math.nan if lost and at >= lost else level * at / 30 for at in (10, 20, 30)]
    return pj.populations.Record(
        trial=trial,
        seed=seed,
        hyperparameters={"learning_rate": (0.002, 0.02, 0.2, 0.9)[trial]},
        status="diverged" if lost else "finished",
        diverged_step=lost,
        metrics={metric: math.nan if lost else value},
        curve={"step": [10.0, 20.0, 30.0], "train_loss": [1.0, 0.5, 0.25], metric: along},
        steps=lost or 30,
    )


def add_tuning(records, workload, name, metric):
    """Four trials; the second seed of the last one diverges."""
    rows = [
        training(trial, seed, 0.5 + 0.1 * trial + 0.01 * seed, metric=metric)
        for trial in range(3)
        for seed in range(2)
    ]
    rows += [training(3, 0, 0.6, metric=metric), training(3, 1, 0.6, metric=metric, lost=15)]
    records.add(workload, name, "tuning", metric, rows)


def add_report(records, workload, name, values, metric):
    """The third trial, one value a report seed; NaN is a training that diverges at step 12."""
    rows = [
        training(2, seed, value, metric=metric, lost=12 if math.isnan(value) else None)
        for seed, value in zip(SEEDS, values, strict=False)
    ]
    records.add(workload, name, "report", metric, rows)


@pytest.fixture
def make(tmp_path):
    """`{optimizer: report values, or None to train nothing} -> records`."""
    opened = []

    def build(values, workloads=(("digits", "accuracy", True),)):
        records = Records(tmp_path / f"out{len(opened)}")
        opened.append(records)
        records.require({**vars(PROTOCOL), "report_seeds": [SEEDS.start, SEEDS.stop]})
        records.note({"baseline": "adamw"})
        for workload, metric, higher in workloads:
            untrained = dict.fromkeys(SEEDS, 0.1 if higher else 2.0)
            records.add_workload(
                WorkloadRow(workload, "a workload", metric, higher, untrained, "data")
            )
            for name, reported in values.items():
                space = {"learning_rate": pj.log_uniform(1e-3, 1.0)}
                optimizer = Optimizer(name, lambda **_: None, space, f"{name} (2020)")
                records.add_optimizer(optimizer, "v1")
                if reported is not None:
                    add_tuning(records, workload, name, metric)
                    add_report(records, workload, name, reported, metric)
        return records

    yield build
    for records in opened:
        records.close()


@pytest.fixture
def values():
    """Report values with one verdict of each kind."""
    base = [0.90, 0.91, 0.92, 0.90, 0.91, 0.92]
    return {
        "adamw": base,
        "good": [value + 0.05 + 0.001 * i for i, value in enumerate(base)],
        "bad": [value - 0.05 - 0.001 * i for i, value in enumerate(base)],
        "alike": [value + 0.01 * (-1) ** i for i, value in enumerate(base)],
    }


class Page(NamedTuple):
    """What a browser finds: tags with attributes, scripts, figures, and visible text."""

    tags: list[tuple[str, dict[str, str | None]]]
    scripts: list[str]
    figures: dict[str, Any]
    text: str


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.bodies, self.words, self.inside = [], [], [], None

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.bodies.append((dict(attrs), []))

    def handle_endtag(self, tag):
        self.inside = None if tag in ("script", "style") else self.inside

    def handle_data(self, data):
        if self.inside == "script":
            self.bodies[-1][1].append(data)
        elif self.inside != "style":
            self.words.append(data)


@pytest.fixture(scope="session")
def read():
    """`html -> Page`."""

    def parse(html):
        reader = Reader()
        reader.feed(html)
        reader.close()
        bodies = [(attrs, "".join(parts)) for attrs, parts in reader.bodies]
        return Page(
            tags=reader.tags,
            scripts=[body for attrs, body in bodies if "type" not in attrs],
            figures={str(a["id"])[:-5]: json.loads(body) for a, body in bodies if "type" in a},
            text=" ".join(" ".join(reader.words).split()),
        )

    return parse
