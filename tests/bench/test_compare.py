"""`pj.compare`: verdicts from Python, their records, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import math
import sqlite3

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.bench._folder import VERDICTS, write_results  # the files of a folder
from tests.bench.conftest import broken, comparison, loss_fn, sgd, slow, twin, wrong


@pytest.fixture(scope="session")
def found(problem, tmp_path_factory):
    """Good, bad and lost optimizers against sgd, in a store."""
    store = tmp_path_factory.mktemp("compare")
    given = {"sgd": sgd, "twin": twin, "slow": slow, "wrong": wrong}
    return comparison(problem, given, store=store), store


def trained(events):
    """(optimizer, phase) -> trainings that were made, not found."""
    made = {}
    for event in events:
        if event.trained and event.trainings:
            which = (event.optimizer, event.phase)
            made[which] = made.get(which, 0) + event.trainings
    return made


def test_one_optimizer_under_two_names_is_equivalent_to_itself(found):
    verdict = found[0]["twin"]
    assert verdict.verdict == "equivalent"
    assert verdict.differences == [0.0] * 6
    assert verdict.decision.interval == (0.0, 0.0)
    assert "twin is within" in verdict.sentence
    assert "after 2 trials of tuning" in verdict.sentence


def test_slow_and_wrong_optimizers_are_worse_whatever_splits_are_drawn(found):
    for name in ("slow", "wrong"):
        verdict = found[0][name]
        assert verdict.verdict == "worse"
        assert verdict.decision.losses == 6
        assert min(verdict.differences) > verdict.margin > 0
    assert found[0].results.workloads[0].split == "anew"


def test_an_optimizer_that_climbs_counts_as_untrained(found):
    workload = found[0].results.workloads[0]
    scores = workload.optimizers["wrong"].scores
    np.testing.assert_allclose(scores, workload.initial, rtol=1e-6)
    for replicate, untrained in zip(
        workload.optimizers["wrong"].replicates, workload.initial, strict=True
    ):
        assert np.mean([training.value for training in replicate.report]) > untrained
    assert any("wrong ended worse than the untrained" in text for text in workload.warnings)


def test_the_margin_is_a_hundredth_of_what_the_baseline_wins(found):
    workload = found[0].results.workloads[0]
    won = np.mean(workload.initial) - np.mean(workload.optimizers["sgd"].scores)
    assert math.isclose(workload.margin, 0.01 * won)


def test_scores_are_the_test_losses_of_the_trial_that_is_best_on_validation_rows(found):
    replicate = found[0].results.workloads[0].optimizers["slow"].replicates[3]
    best = min(replicate.tuning, key=lambda training: training.value)
    assert replicate.chosen == best.trial
    assert {t.trial for t in replicate.report} == {best.trial}
    assert math.isclose(replicate.score, np.mean([t.value for t in replicate.report]))
    assert len(replicate.report) == 2
    assert not {t.seed for t in replicate.tuning} & {t.seed for t in replicate.report}


def test_a_score_is_that_of_a_run_by_hand(found, problem):
    own = found[0].results.workloads[0].optimizers["sgd"].replicates[2]
    training, key = own.report[1], jax.random.key(0)
    rows = jax.random.permutation(jax.random.fold_in(jax.random.fold_in(key, 2), 2), 40)
    train, test = problem.data[rows[:24]], problem.data[rows[32:]]
    seed = jax.random.fold_in(jax.random.fold_in(key, 0), training.seed)
    init_key, _, data_key = jax.random.split(seed, 3)
    params = 0.1 * jax.random.normal(init_key, (2,)) - 1.0
    tx = optax.chain(optax.clip_by_global_norm(1.0), sgd(**training.hyperparameters))
    state = tx.init(params)
    for step in range(8):
        order = jax.random.permutation(jax.random.fold_in(data_key, step // 6), 24)
        batch = train[order[step % 6 * 4 : step % 6 * 4 + 4]]
        gradient = jax.grad(lambda p, b=batch: loss_fn(p, b, None)[0])(params)
        updates, state = tx.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    assert math.isclose(training.value, float(loss_fn(params, test, None)[0]), rel_tol=1e-5)


def test_every_form_of_the_result_tells_the_same(found):
    comparison = found[0]
    frame = comparison.to_frame()
    assert list(frame["optimizer"]) == ["twin", "slow", "wrong"]
    assert list(frame["verdict"]) == [verdict.verdict for verdict in comparison.verdicts]
    assert (frame["interval_low"] <= frame["difference"]).all()
    assert str(comparison).count("sgd") >= 3
    assert "worse" in comparison._repr_html_()
    with pytest.raises(KeyError, match="twim"):
        comparison["twim"]


def test_the_same_call_trains_nothing_again_and_gives_the_same_bytes(found, problem, tmp_path):
    first, store = found
    again = comparison(
        problem, {"sgd": sgd, "twin": twin, "slow": slow, "wrong": wrong}, store=store
    )
    anew = comparison(problem, {"sgd": sgd, "twin": twin, "slow": slow, "wrong": wrong})
    for other, folder in ((first, "a"), (again, "b"), (anew, "c")):
        (tmp_path / folder).mkdir()
        write_results(other.results, tmp_path / folder)
    texts = [(tmp_path / folder / VERDICTS).read_bytes() for folder in "abc"]
    assert texts[0] == texts[1] == texts[2]
    assert json.loads(texts[0])[0]["optimizer"] == "twin"


def test_more_replicates_are_added_to_those_that_are_there(problem, tmp_path):
    few = comparison(problem, {"sgd": sgd, "slow": slow}, store=tmp_path, replicates=2)
    assert few["slow"].verdict == "undecided"
    many = comparison(problem, {"sgd": sgd, "slow": slow}, store=tmp_path, replicates=6)
    assert many["slow"].differences[:2] == few["slow"].differences
    assert many["slow"].verdict == "worse"


def test_verdicts_about_these_rows_need_no_other_training(problem, tmp_path):
    wide = comparison(problem, {"sgd": sgd, "slow": slow}, store=tmp_path)["slow"]
    narrow = comparison(problem, {"sgd": sgd, "slow": slow}, store=tmp_path, these_rows=True)[
        "slow"
    ]
    assert narrow.differences == wide.differences
    assert narrow.decision.factor == 1 / 6 < wide.decision.factor
    assert narrow.decision.interval == wide.decision.fixed_interval
    assert "on the very rows of problem" in narrow.sentence


def test_one_replicate_gives_no_verdict_and_says_why(problem):
    verdict = comparison(problem, {"sgd": sgd, "slow": slow}, replicates=1)["slow"]
    assert verdict.verdict == "undecided"
    assert "one replicate" in verdict.decision.reason


@pytest.mark.slow
def test_undecided_optimizers_get_more_replicates_and_the_others_none(problem):
    rough = comparison(
        problem, {"sgd": sgd, "wrong": wrong, "half": lambda learning_rate: optax.sgd(
            0.7 * learning_rate)}, until_decided=True, max_replicates=8, margin=1e-6,
    )  # fmt: skip
    counts = {v.optimizer: v.decision.replicates for v in rough.verdicts}
    assert counts["wrong"] == 6
    assert counts["half"] == 8


def test_lost_runs_are_lost_by_who_lost_them(problem):
    found = comparison(problem, {"sgd": sgd, "broken": broken})
    verdict = found["broken"]
    assert verdict.verdict == "worse"
    assert verdict.decision.lost == 6
    assert math.isnan(verdict.value)
    assert np.isnan(verdict.differences).all()
    assert verdict.decision.method == "sign test"
    assert verdict.decision.lost_baseline == 0


def test_constant_scores_are_equivalent(problem):
    constant = dataclasses.replace(
        problem, evaluate=lambda params, data: {"loss": jnp.float32(1.0)}
    )
    found = comparison(constant, {"sgd": sgd, "slow": slow}, margin=0.1)
    assert found["slow"].verdict == "equivalent"
    assert found["slow"].decision.difference == 0.0


def test_a_published_split_is_kept_and_said(problem):
    parts = {"eval_data": problem.data[:8], "test_data": problem.data[8:16]}
    fields = {f.name: getattr(problem, f.name) for f in dataclasses.fields(pj.Problem)}
    workload = pj.bench.workloads.Workload(name="own", loss_fn=loss_fn, **{**fields, **parts})
    found = pj.compare(workload, {"sgd": sgd, "slow": slow}, baseline="sgd", trials=2, steps=8)
    assert found.results.workloads[0].split == "published"
    assert found["slow"].verdict == "worse"
    assert found["slow"].decision.factor == 1 / 6


def test_an_optimizer_that_reads_no_hyperparameter_is_left_out(problem):
    def unread(learning_rate, unused):
        return optax.sgd(learning_rate)

    unread.space = {**sgd.space, "unused": pj.uniform(0.0, 1.0)}
    found = comparison(problem, {"sgd": sgd, "slow": slow, "unread": unread})
    assert [name for name, _ in found.results.excluded] == ["unread"]
    assert "nothing depends on 'unused'" in found.results.excluded[0].reason
    assert [verdict.optimizer for verdict in found.verdicts] == ["slow"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"baseline": "sdg"}, "baseline"),
        ({"margin": -0.1}, "margin"),
        ({"replicates": 0}, "replicates"),
        ({"trials": 0}, "trials"),
    ],
)
def test_bad_numbers_and_names_are_refused(problem, changed, message):
    with pytest.raises(ValueError, match=message):
        comparison(problem, {"sgd": sgd, "slow": slow}, **changed)


def test_bad_kinds_of_input_are_refused(problem):
    with pytest.raises(TypeError, match="problem: expected a pj.Problem"):
        comparison({}, {"sgd": sgd, "slow": slow})
    with pytest.raises(TypeError, match="loss_fn: expected the training loss"):
        comparison(problem, {"sgd": sgd, "slow": slow}, loss_fn=None)
    with pytest.raises(ValueError, match="at least one more"):
        comparison(problem, {"sgd": sgd})
    with pytest.raises(TypeError, match="legacy"):
        comparison(problem, {"sgd": sgd, "slow": slow}, key=jax.random.PRNGKey(0))


def test_other_rules_are_refused_and_fresh_starts_over(problem, tmp_path):
    given = {"sgd": sgd, "slow": slow}
    comparison(problem, given, store=tmp_path, replicates=2)
    with pytest.raises(pj.tuning.StoreMismatchError, match="steps was 8 and is now 9"):
        comparison(problem, given, store=tmp_path, replicates=2, steps=9)
    key = jax.random.key(3)
    fresh = comparison(problem, given, store=tmp_path, replicates=2, key=key, fresh=True)
    assert fresh.results.keys == [0, 3]
    assert fresh.results.rules["key"] == 3


def test_an_older_records_file_is_refused(problem, tmp_path):
    sqlite3.connect(tmp_path / "records.sqlite").close()
    (tmp_path / "records.sqlite").write_bytes(b"old")
    with pytest.raises(pj.tuning.StoreMismatchError, match="older paramjax"):
        comparison(problem, {"sgd": sgd, "slow": slow}, store=tmp_path)


@pytest.mark.slow
def test_a_model_state_made_of_the_parameters_is_that_of_each_seed(problem):
    """A teacher that begins as a copy: its distance is 0 where a common one is at another."""

    def loss_fn(params, teacher, batch, key):
        away = (params - teacher) ** 2
        return ((params - batch) ** 2).mean() + 0.0 * away, (teacher, {"away": away})

    def evaluate(params, teacher, data):
        return {"loss": (params - teacher) ** 2}

    own = pj.bench.workloads.Workload(
        name="teacher", init=lambda key: jax.random.normal(key), loss_fn=loss_fn, stateful=True,
        model_state=lambda params: params, evaluate=evaluate, batch_size=4, margin=1.0,
        data=jax.numpy.arange(40.0),
    )  # fmt: skip
    found = pj.compare(
        own, {"a": lambda learning_rate: optax.sgd(learning_rate), "b": "adam"},
        baseline="a", replicates=2, trials=2, steps=2,
    )  # fmt: skip
    (results,) = found.results.workloads
    assert list(results.initial) == [0.0, 0.0]
