"""What the terminal says of verdicts: shared sentences, and what to know before trusting them."""

import math

import numpy as np
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
from paramjax.cli._cautions import cautions
from paramjax.cli._verdicts import procedure, sentences

BASE = np.array([0.90, 0.91, 0.92, 0.90, 0.91, 0.92])
NOISE = np.array([0.001, -0.001, 0.0005, -0.0005, 0.001, -0.001])
ALTERNATING = np.array([0.1, -0.1] * 3)
LOST = np.array([math.nan, 0, 0, 0, 0, 0])


def result(name, scores, audit):
    training = Training(0, 0, {"learning_rate": 0.1}, "finished", None, 0.9, {})
    replicates = [
        Replicate(k, [training], 0, [training], float(score), True)
        for k, score in enumerate(scores)
    ]
    return OptimizerResult(name, "", {}, "", audit, replicates)


def results(differences, *, audits=None, keys=(0,), replicates=6, edges=(), ratio=0.0):
    """A benchmark on one workload whose optimizers differ so from the baseline."""
    scores = {"base": BASE, **{name: BASE + own for name, own in differences.items()}}
    optimizers = {n: result(n, own, (audits or {}).get(n, {})) for n, own in scores.items()}
    workload = WorkloadResult(
        "work", "", "accuracy", True, 0.01, "a point", True, "anew", {"test": 400}, 0.0, None,
        [], ["work is small"], optimizers,
    )  # fmt: skip
    rule = {"margin": 0.01, "maximise": True, "variance_ratio": ratio}
    found = adjust([decide(scores[n], BASE, **rule) for n in differences])
    verdicts = [
        Verdict(
            "work", name, "base", "accuracy", 0.01, decision, 0.9, 0.9,
            (scores[name] - BASE).tolist(), f"{name} is {decision.word} here.", [], 0, list(edges),
        )
        for name, decision in zip(differences, found, strict=True)
    ]  # fmt: skip
    rules = {"replicates": replicates, "trials": 6, "tuning_seeds": 1, "report_seeds": 2,
             "steps": 500, "key": 3, "looks": []}  # fmt: skip
    return Results(rules, "base", [workload], verdicts, {}, [], list(keys), None, {})


def test_what_holds_on_the_very_rows_is_said_beside():
    low = np.array([-0.02, -0.06, -0.03, -0.06, -0.03, -0.02])
    verdicts = results({"a": low, "b": ALTERNATING}, ratio=0.4).verdicts
    assert [v.verdict for v in verdicts] == ["undecided"] * 2
    assert sentences(verdicts)[-1] == (
        "on these very rows, each by itself (--these-rows): worse a; others may differ"
    )


def test_equivalent_and_undecided_optimizers_share_a_sentence():
    verdicts = results(
        {"a": NOISE, "b": -NOISE, "c": 0.2 + NOISE, "d": ALTERNATING, "e": -ALTERNATING}
    ).verdicts
    assert [v.verdict for v in verdicts] == ["equivalent", "equivalent", "better"] + [
        "undecided"
    ] * 2
    first, second, third = sentences(verdicts)
    assert first == "c is better here."
    assert second == "a and b are equivalent here."
    assert third.startswith("undecided against base: d, e")


def test_one_of_a_word_keeps_its_own_sentence():
    assert sentences(results({"a": NOISE, "d": ALTERNATING}).verdicts) == [
        "a is equivalent here.", "d is undecided here.",
    ]  # fmt: skip


def test_the_procedure_names_the_budget():
    said = procedure(results({"a": NOISE}))
    assert "6 replicates, paired with those of base" in said
    assert "6 trials of 500 steps on validation rows (1 seed)" in said
    assert "the best one on test rows (2 seeds). Key 3." in said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"keys": (3, 8)}, "2 keys were used in this folder (3, 8)"),
        ({"edges": ["learning_rate (low)"]}, "widen it: a learning_rate (low)"),
        ({"replicates": 5}, "with --replicates 5 no optimizer can be better or worse"),
        ({"replicates": 8}, "not finished: base (6 of 8 replicates), a (6 of 8 replicates)"),
        ({"audits": {"a": {"gradients": 4.0}, "base": {"gradients": 1.0}}},
         "a evaluates 4 gradients a step, base 1"),
        ({"audits": {"a": {"gradients": math.inf}}},
         "a evaluates an unknown number of gradients a step"),
        ({"audits": {"a": {"flags": ["2 MB of constants"]}}}, "a: 2 MB of constants"),
        ({}, "work is small"),
    ],
)  # fmt: skip
def test_what_a_reader_must_know_is_said(given, said):
    assert any(said in text for text in cautions(results({"a": NOISE}, **given)))


def test_lost_and_doubted_replicates_are_said():
    found = cautions(results({"a": LOST, "b": 0.2 + np.array([0.0, 0.01, 0.0, 0.01, 0.0, -0.15])}))
    assert "work: replicates lost to a training that diverged: a 1 of 6" in found
    assert any(text.startswith("work: b: the differences have a tail against") for text in found)
    assert cautions(results({"a": NOISE})) == ["work is small"]
