"""Trials stopped early: which go on, what it costs, and that survivors are as without stopping."""

import chex
import numpy as np
import pytest
from problems import sweep_line

import paramjax as pj
from paramjax.populations import Layout

STEPS, TRIALS, SEEDS = 27, 9, 2
MOST = SEEDS * (9 * 3 + 3 * 6 + 1 * 18)
"""Steps if none diverges."""


def swept(line, loss, **settings):
    arguments = {
        "space": {"rate": pj.log_uniform(1e-3, 3.0)}, "batch_size": 10, "eval_data": line,
        "metric": "error", "evaluate": lambda p, data: {"error": loss(p, data, None)[0]},
        "trials": TRIALS, "seeds": SEEDS, "steps": STEPS, "evaluations": 3,
    } | settings  # fmt: skip
    return sweep_line(line, loss, **arguments)


@pytest.fixture(scope="module")
def full(line, line_loss):
    return swept(line, line_loss, layout=Layout(1))


@pytest.fixture(scope="module")
def halved(line, line_loss):
    return swept(line, line_loss, layout=Layout(1), stopping=pj.tuning.successive_halving(3))


def test_the_best_at_each_rung_go_on(full, halved):
    assert [rung.step for rung in halved.rungs] == [3, 9]
    going = set(range(TRIALS))
    for rung in halved.rungs:
        assert set(rung.scores) == going
        finite = sorted((s, t) for t, s in rung.scores.items() if np.isfinite(s))
        going = {trial for _, trial in finite[: len(going) // 3]}
        assert set(rung.kept) == going
    assert {r.trial for r in halved.records if r.status == "finished"} == going
    steps = {r.trial: r.steps for r in halved.records if r.status != "diverged"}
    assert sorted(steps.values()) == sorted([3] * (len(steps) - 3) + [9] * 2 + [27])
    # the scores are means over seeds at the rung
    at = full.records[0].curve["step"].index(9.0)
    for trial, score in halved.rungs[1].scores.items():
        own = [r.curve["error"][at] for r in full.records if r.trial == trial]
        assert score == pytest.approx(np.mean(own), rel=1e-6)
    # a stopped trial is not the best, however good it was
    assert halved.best().trial in going
    assert halved.best().value <= full.best().value * 1.01


def test_a_survivor_is_what_it_is_without_stopping(full, halved):
    """Single runs: the same bits whichever others are trained, and whenever they are resumed."""
    (trial,) = {r.trial for r in halved.records if r.status == "finished"}
    for seed in range(SEEDS):
        chex.assert_trees_all_equal(halved.params_of(trial, seed), full.params_of(trial, seed))
    index = trial * SEEDS
    np.testing.assert_array_equal(halved.history["loss"][index], full.history["loss"][index])


def test_what_was_stopped_has_no_later_steps(full, halved):
    for record, losses in zip(halved.records, halved.history["loss"], strict=True):
        if record.status == "stopped":
            assert np.isfinite(losses[: record.steps]).all()
            assert np.isnan(losses[record.steps :]).all()
            assert max(record.curve["step"]) == record.steps
    budget = halved.budget
    assert budget.trained == sum(r.steps for r in halved.records)
    assert budget.full == TRIALS * SEEDS * STEPS
    assert budget.trained <= MOST
    assert budget.trained <= budget.computed <= MOST + SEEDS * TRIALS
    assert full.budget.share == pytest.approx(full.budget.trained / budget.full)


@pytest.mark.parametrize(
    "layout",
    [Layout(4, workers=2), pytest.param(Layout(18), marks=pytest.mark.slow)],
    ids=str,
)
def test_mapped_survivors_are_packed_and_agree(line, line_loss, halved, layout):
    packed = swept(line, line_loss, layout=layout, stopping=pj.tuning.successive_halving(3))
    assert [r.kept for r in packed.rungs] == [r.kept for r in halved.rungs]
    for mine, other in zip(packed.records, halved.records, strict=True):
        assert mine.status == other.status
        assert mine.metrics["error"] == pytest.approx(other.metrics["error"], rel=1e-4)
    # 18 lanes, then 6, then 2; a lane that was lost computes along with the others
    assert packed.budget.computed <= MOST + 4 * STEPS


@pytest.mark.parametrize(
    "stopping", [pj.tuning.hyperband(3), pj.tuning.median_stopping()], ids=repr
)
def test_other_rules_stop_as_they_say(line, line_loss, full, stopping):
    result = swept(line, line_loss, layout=Layout(1), stopping=stopping)
    assert [rung.step for rung in result.rungs] == list(stopping(TRIALS, STEPS).rungs)
    assert result.budget.trained < full.budget.trained
    assert any(record.status == "finished" for record in result.records)


def test_where_all_diverge_the_sweep_ends(line, line_loss):
    result = sweep_line(
        line, line_loss, space={"rate": pj.uniform(1e6, 1e7)}, seeds=1, steps=90,
        stopping=pj.tuning.successive_halving(2), layout=Layout(4),
    )  # fmt: skip
    assert {record.status for record in result.records} == {"diverged"}
    assert result.budget.trained < 4 * 90 / 2
