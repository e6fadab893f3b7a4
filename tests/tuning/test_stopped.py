"""Trials stopped early: who goes on, what it costs, and that survivors are as if alone."""

import chex
import jax
import numpy as np
import optax
import pytest
from problems import sorted_arguments

import paramjax as pj
from paramjax.populations import Layout

STEPS, TRIALS, SEEDS = 27, 9, 2


def draw(key):
    return {"w": jax.random.normal(key, (1, 1)), "b": jax.numpy.zeros((1, 1))}


def swept(line, loss, **settings):
    arguments = {
        "init": draw, "data": line, "batch_size": 10, "eval_data": line, "metric": "error",
        "evaluate": lambda p, data: {"error": loss(p, data, None)[0]},
    } | settings  # fmt: skip
    return pj.sweep(
        lambda hp: pj.train_step(loss, optax.sgd(hp["rate"])), {"rate": pj.log_uniform(1e-3, 3.0)},
        trials=TRIALS, seeds=SEEDS, steps=STEPS, key=jax.random.key(0), evaluations=3,
        **sorted_arguments(arguments),
    )  # fmt: skip


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
    alive = {r.trial for r in halved.records if r.status == "finished"}
    assert alive == going
    steps = {r.trial: r.steps for r in halved.records if r.status != "diverged"}
    assert sorted(steps.values()) == sorted([3] * (len(steps) - 3) + [9] * 2 + [27])


def test_scores_are_means_over_seeds_at_the_rung(full, halved):
    at = full.records[0].curve["step"].index(9.0)
    for trial, score in halved.rungs[1].scores.items():
        own = [r.curve["error"][at] for r in full.records if r.trial == trial]
        assert score == pytest.approx(np.mean(own), rel=1e-6)


def test_a_survivor_is_what_it_is_without_stopping(full, halved):
    """SingleRun runs: the same bits whoever else is trained, and whenever they are taken up."""
    (trial,) = {r.trial for r in halved.records if r.status == "finished"}
    for seed in range(SEEDS):
        chex.assert_trees_all_equal(halved.params_of(trial, seed), full.params_of(trial, seed))
    place = trial * SEEDS
    np.testing.assert_array_equal(halved.history["loss"][place], full.history["loss"][place])


def test_what_was_stopped_has_no_later_steps(halved):
    for place, record in enumerate(halved.records):
        losses = halved.history["loss"][place]
        if record.status == "stopped":
            assert np.isfinite(losses[: record.steps]).all()
            assert np.isnan(losses[record.steps :]).all()
            assert max(record.curve["step"]) == record.steps


def test_the_best_is_one_that_was_trained_to_the_end(full, halved):
    assert halved.best("error").trial in halved.rungs[-1].kept
    assert halved.best("error").value <= full.best("error").value * 1.01


def test_the_budget_is_what_was_done(full, halved):
    budget = halved.budget
    assert budget.trained == sum(r.steps for r in halved.records)
    assert budget.full == TRIALS * SEEDS * STEPS
    most = SEEDS * (9 * 3 + 3 * 6 + 1 * 18)
    assert budget.trained <= most
    assert budget.trained <= budget.computed <= most + SEEDS * TRIALS
    assert full.budget.share == pytest.approx(full.budget.trained / budget.full)


@pytest.mark.parametrize("layout", [Layout(18), Layout(4, workers=2)], ids=str)
def test_mapped_survivors_are_packed_and_agree(line, line_loss, halved, layout):
    packed = swept(line, line_loss, layout=layout, stopping=pj.tuning.successive_halving(3))
    assert [r.kept for r in packed.rungs] == [r.kept for r in halved.rungs]
    for mine, other in zip(packed.records, halved.records, strict=True):
        assert mine.status == other.status
        assert mine.metrics["error"] == pytest.approx(other.metrics["error"], rel=1e-4)
    # 18 lanes, then 6, then 2; a lane that was lost computes along with the others
    assert packed.budget.computed <= SEEDS * (9 * 3 + 3 * 6 + 1 * 18) + 4 * STEPS


@pytest.mark.parametrize(
    "stopping", [pj.tuning.hyperband(3), pj.tuning.median_stopping()], ids=repr
)
def test_other_rules_stop_as_they_say(line, line_loss, full, stopping):
    result = swept(line, line_loss, layout=Layout(1), stopping=stopping)
    assert [rung.step for rung in result.rungs] == list(stopping(TRIALS, STEPS).rungs)
    assert result.budget.trained < full.budget.trained
    assert any(record.status == "finished" for record in result.records)


def test_where_all_diverge_the_sweep_ends(line, line_loss):
    result = pj.sweep(
        lambda hp: pj.train_step(line_loss, optax.sgd(hp["rate"])),
        {"rate": pj.uniform(1e6, 1e7)},
        pj.Problem(init=draw, data=line),
        trials=4,
        seeds=1,
        steps=90,
        key=jax.random.key(0),
        stopping=pj.tuning.successive_halving(2),
    )
    assert {record.status for record in result.records} == {"diverged"}
    assert result.budget.trained < 4 * 90 / 2


def test_an_unknown_metric_is_refused_before_training(line, line_loss):
    with pytest.raises(ValueError, match="unknown metric 'eror'; nearest: error"):
        swept(line, line_loss, stopping=pj.tuning.successive_halving(), **{"metric": "eror"})
