"""A loss that rises and stays finite decides nothing: reinforcement, games, harder tasks."""

import jax
import jax.numpy as jnp
import optax
import pytest

import paramjax as pj

SPACE = {"rate": pj.choice([0.1, 0.2])}
PROBLEM = pj.Problem(
    init=lambda key: jnp.float32(1.0),
    data=jnp.ones(4),
    evaluate=lambda params, data: {"score": params},
    eval_data=jnp.ones(1),
    metric="score",
    maximise=True,
)


def climber(hp):
    """Adds its rate to the loss, which is the parameter, at each step."""
    rise = lambda params, batch, key: (params, {})
    return pj.train_step(rise, optax.sgd(-hp["rate"]))


def swept(tmp_path, **changes):
    return pj.sweep(
        climber, SPACE, PROBLEM, trials=pj.tuning.grid(2), seeds=1, steps=20, evaluations=2,
        key=jax.random.key(0), store=tmp_path / "store", **changes,
    )  # fmt: skip


def test_the_record_says_worsened_and_the_best_is_the_one_that_rose_most(tmp_path):
    found = swept(tmp_path)
    assert {(r.status, r.diverged_step) for r in found.records} == {("worsened", None)}
    assert found.best().hyperparameters["rate"] == pytest.approx(0.2)
    assert found.best().value == pytest.approx(1 + 20 * 0.2, rel=1e-5)
    assert repr(found) == "<Sweep of 2 trials, 2 trainings, 2 worsened>"
    assert [r.status for r in swept(tmp_path).records] == ["worsened"] * 2, "as it is stored"


def test_halving_keeps_it(tmp_path):
    halved = swept(tmp_path, stopping=pj.tuning.successive_halving(2))
    ends = {r.hyperparameters["rate"]: str(r.status) for r in halved.records}
    assert {round(rate, 3): status for rate, status in ends.items()} == {
        0.1: "stopped", 0.2: "worsened",
    }  # fmt: skip


def test_a_fold_that_worsened_is_no_fold_that_diverged():
    def score(params, data):
        return {"score": params}

    problem = pj.Problem(init=PROBLEM.init, data=PROBLEM.data, evaluate=score, metric="score")
    made = pj.cross_validate(
        climber({"rate": 0.1}), problem, steps=20, folds=2, key=jax.random.key(0)
    )
    assert made.status == ("worsened", "worsened")
    assert made.mean["score"] == pytest.approx(3.0, rel=1e-5)
    assert "diverged" not in made.summary()
