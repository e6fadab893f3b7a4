"""A run is named by all that it was given: equal goes on, unequal is refused with what differs."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.checkpoints import ProgramWarning
from paramjax.runs import NonFiniteWarning

KEY = jax.random.key(0)
DATA = np.ones(4, np.float32)
STOPPING = pj.EarlyStopping(patience=15)


def walk(w, batch, key):
    """With a rate of 0.1, w grows by 0.1 a step."""
    return -w * batch.mean(), {}


TRAINER = pj.train_step(walk, optax.sgd(0.1))


def bowl(w, batch):
    """Best at w = 1, which is after 10 steps from 0."""
    return {"loss": (w - 1.0) ** 2 + 0.0 * batch.sum(), "level": -w}


def go(folder, steps, *, trainer=TRAINER, start=0.0, data=DATA, validation=None, **saving):
    options = {"evaluate": bowl, "data": DATA, "every": 1, "early_stopping": STOPPING}
    judged = None if validation is None else pj.Validation(**options | validation)
    return pj.fit(
        trainer, jnp.float32(start), data, key=KEY, steps=steps, validation=judged,
        checkpoints=pj.Checkpoints(folder, every=5, **saving),
    )  # fmt: skip


slow = functools.partial(pytest.param, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        (None, {}, "validation every: nothing in the checkpoint, 1 now"),
        slow({}, None, "validation every: 1 in the checkpoint, nothing now"),
        ({"early_stopping": None}, {}, r"early_stopping: null in the .*\{.*.patience.: 15"),
        (
            {"early_stopping": pj.EarlyStopping(15, restore_best=False)}, {},
            "early_stopping: .*false.*true",
        ),
        slow({}, {"early_stopping": pj.EarlyStopping(15, 0.5)}, "min_delta.: 0.0.*min_delta.: 0.5"),
        ({}, {"metric": "level"}, "validation metric: .loss. in the checkpoint, .level. now"),
        slow({}, {"maximise": True}, "validation maximise: false in the checkpoint, true now"),
        ({}, {"data": 2 * DATA}, r"validation data .*: .float32\[4\] .* in the checkpoint"),
        slow({}, {"every": 2}, "validation every: 1 in the checkpoint, 2 now"),
        ({}, {"batch_size": 2}, "validation batch_size: null in the checkpoint, 2 now"),
        (
            {}, {"evaluate": lambda w, batch: {"loss": (w - 3.0) ** 2 + 0.0 * batch.sum()}},
            "validation: evaluate, or a constant in it, .* cannot be compared; .*fresh=True.*allow",
        ),
    ],
    ids=[
        "added", "taken away", "stopping added", "best restored", "delta", "metric", "maximise",
        "data", "every", "batch size", "function",
    ],
)  # fmt: skip
def test_another_validation_is_refused(tmp_path, first, then, message):
    go(tmp_path, 5, validation=first)
    with pytest.raises(ValueError, match=message):
        go(tmp_path, 60, validation=then)
    resumed = go(tmp_path, 60, validation=first)
    whole = go(tmp_path / "whole", 60, validation=first)
    assert float(resumed.params) == float(whole.params)


def test_the_best_of_a_resumed_run_is_that_of_the_whole_one(tmp_path):
    for steps in (5, 20, 60):
        run = go(tmp_path, steps, validation={})
    assert run.status == "stopped"
    np.testing.assert_allclose(run.params, 1.0, atol=1e-6)


@pytest.mark.parametrize("make", [jnp.array, np.array])
def test_a_constant_of_the_evaluation_counts(tmp_path, make):
    def toward(goal):
        goal = make([goal, goal], np.float32)
        return {"evaluate": lambda w, batch: {"loss": ((w - goal) ** 2).sum() + 0 * batch.sum()}}

    go(tmp_path, 5, validation=toward(1.0))
    go(tmp_path, 6, validation=toward(1.0))
    with pytest.raises(ValueError, match="evaluate, or a constant in it"):
        go(tmp_path, 20, validation=toward(2.0))


def test_where_another_evaluation_is_allowed_the_best_is_sought_anew(tmp_path):
    """Best at 1 first, then at 3: a score of the one says nothing about the other."""
    go(tmp_path, 20, validation={})
    other = {"evaluate": lambda w, batch: {"loss": 5 + (w - 3.0) ** 2 + 0 * batch.sum()}}
    with pytest.warns(ProgramWarning, match="the best one so far is forgotten"):
        run = go(tmp_path, 60, validation=other, allow_new_program=True)
    assert run.status == "stopped"
    np.testing.assert_allclose(run.params, 3.0, atol=1e-5)


def square(scale, rate=0.1):
    def loss_fn(w, batch, key):
        return ((w - scale * batch) ** 2).mean(), {}

    return pj.train_step(loss_fn, optax.sgd(rate))


@pytest.mark.parametrize("other", [square(1.0, 0.3), square(5.0)], ids=["rate", "loss"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_finished_run_is_not_the_result_of_another_program(tmp_path, other, streamed):
    data = lambda: itertools.repeat({"x": (DATA, [DATA])}) if streamed else DATA
    read = lambda trainer: (
        trainer
        if not streamed
        else trainer._replace(step=lambda state, batch: trainer.step(state, batch["x"][1][0]))
    )
    first = go(tmp_path, 20, trainer=read(square(1.0)), data=data())
    again = go(tmp_path, 20, trainer=read(square(1.0)), data=data())
    assert float(first.params) == float(again.params)
    with pytest.raises(ValueError, match="step computes something else than the one that wrote"):
        go(tmp_path, 20, trainer=read(other), data=data())
    with pytest.warns(ProgramWarning, match="computes something else"):
        go(tmp_path, 20, trainer=read(other), data=data(), allow_new_program=True)


@pytest.mark.parametrize("make", [jnp.array, np.array])
@pytest.mark.parametrize("steps", [10, 20])
def test_a_constant_of_the_loss_counts(tmp_path, make, steps):
    def weighted(weights):
        weights = make(weights, np.float32)
        return pj.train_step(
            lambda w, batch, key: ((weights * (w - jnp.arange(3.0)) ** 2).sum() * batch[0], {}),
            optax.sgd(0.1),
        )

    go(tmp_path, 10, trainer=weighted([1, 1, 1]))
    with pytest.raises(ValueError, match="its loss, optimizer or a constant"):
        go(tmp_path, steps, trainer=weighted([0, 0, 5]))


def test_other_measured_forms_are_said(tmp_path, monkeypatch):
    go(tmp_path, 5)
    # large convolutions only have measured forms, so one is claimed for this small run
    monkeypatch.setattr("paramjax.runs._identity.in_use", lambda program: "measured forms 0a1b")
    with pytest.warns(ProgramWarning, match="now .*measured forms 0a1b, then JAX"):
        go(tmp_path, 10)


def test_a_run_from_elsewhere_is_another_one(tmp_path):
    go(tmp_path, 10)
    with pytest.raises(ValueError, match=r"params .*: .float32\[\] .* in the checkpoint, .* now"):
        go(tmp_path, 20, start=5.0)
    np.testing.assert_allclose(go(tmp_path, 20).params, 2.0, rtol=1e-5)


def test_another_model_state_is_another_run(tmp_path):
    def loss_fn(w, seen, batch, key):
        return (w - seen) ** 2 * batch[0], (seen, {})

    def train(seen, steps):
        return pj.fit(
            pj.train_step(loss_fn, optax.sgd(0.1), stateful=True), jnp.float32(0), DATA, key=KEY,
            steps=steps, model_state=jnp.float32(seen), checkpoints=pj.Checkpoints(tmp_path),
        )  # fmt: skip

    train(1.0, 5)
    train(1.0, 6)
    with pytest.raises(ValueError, match=r"model_state .* in the checkpoint"):
        train(2.0, 7)


def test_a_run_that_went_back_goes_on_with_the_same_rollbacks(tmp_path):
    def well(w, batch, key):
        return (w - 3.0) ** 2 * batch[0] - 1e-6 * jnp.log(w - 1), {}

    tx = optax.chain(optax.sgd(0.9), pj.optim.adjustable_rate())

    def train(steps, nonfinite):
        return pj.fit(
            pj.train_step(well, tx), jnp.float32(6), DATA, key=KEY, steps=steps,
            nonfinite=nonfinite, checkpoints=pj.Checkpoints(tmp_path),
        )  # fmt: skip

    with pytest.warns(NonFiniteWarning):
        train(10, pj.Rollback(0.5))
    for other in ("stop", "warn", pj.Rollback(0.25)):
        with pytest.raises(ValueError, match=r"went back 1 times with pj.Rollback\(0.5\), got"):
            train(20, other)
    train(20, pj.Rollback(0.5, attempts=9))
