"""Calibration: a copy of an optimizer is not better than itself, a handicap is found."""

from __future__ import annotations

import pytest
from scipy import stats

import paramjax as pj
from paramjax.bench import Plan, Protocol, calibrate
from paramjax.bench._calibrate import rate, renamed  # pieces of it
from paramjax.bench._runner import trials_of
from paramjax.bench._stage import make_stage
from paramjax.bench.entries import entry_of
from paramjax.bench.workloads import Workload
from tests.bench.conftest import ROWS, loss_fn, sgd, start, wrong


@pytest.fixture(scope="module")
def workload() -> Workload:
    return Workload(
        name="rows", init=start, data=ROWS, batch_size=4, loss_fn=loss_fn, metric="loss",
        margin=0.001,
    )  # fmt: skip


def test_a_copy_draws_trials_of_its_own_from_the_same_space(workload):
    stage = make_stage(workload, Protocol(trials=4, steps=4), 2)
    entry = entry_of("sgd", sgd)
    own, other = trials_of(stage, entry), trials_of(stage, renamed(entry))
    assert set(other[0]) == {"copy_learning_rate"}
    assert [t["learning_rate"] for t in own] != [t["copy_learning_rate"] for t in other]
    assert all(0.05 <= t["copy_learning_rate"] <= 0.5 for t in other)


def test_conditional_spaces_are_renamed_whole():
    def two(rule, momentum=None):
        return sgd(0.1)

    two.space = {
        "rule": pj.choice(["plain", "heavy"]),
        "momentum": pj.conditional("rule", "heavy", pj.uniform(0.5, 0.9)),
    }
    space = renamed(entry_of("two", two)).optimizer.space
    assert space["copy_momentum"].parent == "copy_rule"


@pytest.mark.slow  # the example of `calibrate` is a quick one
def test_the_null_and_the_handicaps_of_a_small_problem(workload, tmp_path):
    plan = Plan(
        workloads=[workload], entries=[entry_of("sgd", sgd), entry_of("wrong", wrong)],
        baseline="sgd", protocol=Protocol(replicates=6, trials=2, steps=8), out=tmp_path,
    )  # fmt: skip
    (found,) = calibrate(plan, comparisons=5)
    assert found.false.comparisons == 5
    assert found.false.hits <= 1
    assert found.against["wrong"]["worse"].share == 1.0
    assert set(found.handicaps) == {0.5, 1.0, 2.0}
    shares = [rate.share for rate in found.handicaps.values()]
    assert shares == sorted(shares)


def test_a_rate_has_the_exact_interval_of_clopper_and_pearson():
    found = rate(["worse"] * 3 + ["undecided"] * 37, "better", "worse")
    low, high = stats.beta.ppf(0.025, 3, 38), stats.beta.ppf(0.975, 4, 37)
    assert found.share == 3 / 40
    assert found.interval == pytest.approx((low, high))
