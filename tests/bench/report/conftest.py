"""Results made by hand, every number known, and a reader that takes a report apart."""

import json
import math
from html.parser import HTMLParser
from typing import Any, NamedTuple

import pytest

from paramjax.bench._results import (
    OptimizerResult,
    Replicate,
    Results,
    Training,
    Verdict,
    WorkloadResult,
)
from paramjax.bench.statistics import adjust, decide

RULES = {
    "replicates": 6, "trials": 4, "tuning_seeds": 1, "report_seeds": 2, "steps": 30, "key": 0,
    "clip_norm": 1.0, "evaluations": 3,
}  # fmt: skip
RATES = (0.002, 0.02, 0.2, 0.9)
SPACE = {
    "learning_rate": {
        "kind": "LogUniform", "low": 0.001, "high": 1.0, "logarithmic": True, "volume": "3 decades",
    }
}  # fmt: skip
AUDIT = {"flops": 100.0, "gradients": 1.0, "constants": 0, "flags": [], "program": "0123456789abcd"}


def training(trial, seed, value, metric="accuracy", lost=None):
    """A training that rises to `value`, or whose loss is not finite from step `lost` on."""
    level = 0.9 if math.isnan(value) else value
    along = [math.nan if lost and at >= lost else level * at / 30 for at in (10, 20, 30)]
    return Training(
        trial=trial,
        seed=seed,
        hyperparameters={"learning_rate": RATES[trial % 4]},
        status="diverged" if lost else "finished",
        diverged_step=lost,
        value=math.nan if lost else value,
        curve={"step": [10.0, 20.0, 30.0], "train_loss": [1.0, 0.5, 0.25], metric: along},
    )


def replicate(k, score, metric="accuracy"):
    """Four trials with validation scores 0.5, 0.6, 0.7 and a lost one; the third is chosen.

    A score of NaN is a replicate whose first report training diverges at step 12; None is one
    of which only the tuning is done.
    """
    first, seeds = 4 * k, range(3 * k, 3 * k + 3)
    tuning = [training(first + t, seeds[0], 0.5 + 0.1 * t, metric) for t in range(3)]
    tuning.append(training(first + 3, seeds[0], math.nan, metric, lost=15))
    if score is None:
        return Replicate(k, tuning, first + 2, [], math.nan, False)
    gone = math.isnan(score)
    report = [training(first + 2, seeds[1], score, metric, lost=12 if gone else None)]
    report.append(training(first + 2, seeds[2], 0.9 if gone else score, metric))
    return Replicate(k, tuning, first + 2, report, score, True)


def workload_result(scores, name, metric, maximise, **more):
    optimizers = {
        optimizer: OptimizerResult(
            optimizer, f"{optimizer} (2020)", SPACE, "", AUDIT,
            [replicate(k, score, metric) for k, score in enumerate(own)],
        )
        for optimizer, own in scores.items()
    }  # fmt: skip
    plain = dict(  # noqa: C408
        name=name, description="a workload", metric=metric, maximise=maximise, margin=0.005,
        margin_reason="half a point", bears_verdicts=True, split="published",
        rows={"train": 60, "validation": 20, "test": 20}, variance_ratio=0.0, target=0.6,
        initial=[0.1 if maximise else 2.0] * 6, warnings=[], optimizers=optimizers,
    )  # fmt: skip
    return WorkloadResult(**{**plain, **more})


def verdicts_of(workload, baseline):
    """A verdict for each complete optimizer, if the baseline is complete."""
    complete = {n: o.scores for n, o in workload.optimizers.items() if o.complete and o.replicates}
    others = [name for name in complete if name != baseline]
    if baseline not in complete:
        return []
    decisions = adjust([
        decide(
            complete[name], complete[baseline][: len(complete[name])], margin=workload.margin,
            maximise=workload.maximise, variance_ratio=workload.variance_ratio,
        )
        for name in others
    ])  # fmt: skip
    return [
        Verdict(
            workload=workload.name, optimizer=name, baseline=baseline, metric=workload.metric,
            margin=workload.margin, decision=decision, value=0.0, baseline_value=0.0,
            differences=[a - b for a, b in zip(complete[name], complete[baseline], strict=False)],
            sentence=f"{name} is {decision.word} beside {baseline} after 4 trials of tuning",
            hyperparameters=[{"learning_rate": 0.2}] * len(complete[name]), diverged_trials=6,
            edges=[],
        )
        for name, decision in zip(others, decisions, strict=True)
    ]  # fmt: skip


@pytest.fixture
def make():
    """`{optimizer: score of each replicate} -> Results`."""

    def build(scores, workloads=(("digits", "accuracy", True),), baseline="adamw", **more):
        made = [workload_result(scores, *workload, **more) for workload in workloads]
        found = [verdict for workload in made for verdict in verdicts_of(workload, baseline)]
        ranks = {w.name: {name: (1, len(scores)) for name in scores} for w in made}
        return Results(RULES, baseline, made, found, ranks, [], [0], None, {})

    return build


@pytest.fixture
def scores():
    """Scores that get one verdict of each kind from six replicates."""
    base = [0.80, 0.82, 0.81, 0.79, 0.80, 0.83]
    return {
        "adamw": base,
        "good": [score + 0.05 + 0.001 * k for k, score in enumerate(base)],
        "bad": [score - 0.05 - 0.001 * k for k, score in enumerate(base)],
        "alike": [score + 0.0002 * (-1) ** k for k, score in enumerate(base)],
        "noisy": [score + 0.01 * (-1) ** k + 0.012 for k, score in enumerate(base)],
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
