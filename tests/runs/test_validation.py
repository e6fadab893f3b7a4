import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax import EarlyStopping, Validation
from paramjax.runs._evaluate import evaluate
from paramjax.runs._validator import Best


def mean_of_x(params, batch):
    return {"loss": (params * batch["x"]).mean(), "rows": jnp.float32(len(batch["x"]))}


HELD_OUT = {"x": np.arange(10, dtype=np.float32)}
STATEFUL = pj.train_step(
    lambda p, own, batch, key: ((p * batch["x"]).mean(), (own, {})), optax.sgd(1.0), stateful=True
)


@pytest.fixture(scope="module")
def trainer():
    return pj.train_step(lambda p, batch, key: ((p * batch["x"]).mean(), {}), optax.sgd(1.0))


@pytest.fixture
def state(trainer, key):
    return trainer.init(key, jnp.float32(2.0))


@pytest.mark.parametrize("size", [None, 1, 4, 5, 10, 64])
def test_a_last_incomplete_batch_counts_by_its_rows(trainer, state, size):
    validation = Validation(mean_of_x, HELD_OUT, every=1, batch_size=size)
    metrics = evaluate(trainer, validation, state, HELD_OUT)
    assert metrics["loss"] == pytest.approx(9.0, rel=1e-6)
    if size == 4:
        assert metrics["rows"] == pytest.approx((4 * 4 + 4 * 4 + 2 * 2) / 10)


def test_what_is_evaluated_is_the_average(state):
    trainer = pj.train_step(
        lambda p, batch, key: ((p * batch["x"]).mean(), {}), optax.sgd(1.0), [pj.hooks.ema(0.9)]
    )
    state = trainer.init(jax.random.key(0), jnp.float32(2.0))
    for _ in range(2):
        state, _ = trainer.step(state, {"x": jnp.ones(3)})
    metrics = evaluate(trainer, Validation(mean_of_x, HELD_OUT, every=1), state, HELD_OUT)
    assert metrics["loss"] == pytest.approx(4.5 * float(trainer.eval_params(state)))
    assert float(trainer.eval_params(state)) != float(state.params)


def test_a_pair_of_loss_and_metrics_and_the_model_state_are_taken(trainer, state):
    pair = Validation(lambda p, batch: (p, {"x": batch["x"].mean()}), HELD_OUT, every=1)
    assert evaluate(trainer, pair, state, HELD_OUT) == {"loss": 2.0, "x": 4.5}
    carried = Validation(lambda p, own, batch: {"own": own}, HELD_OUT, every=1)
    state = state._replace(model_state=jnp.float32(3.0))
    assert evaluate(STATEFUL, carried, state, HELD_OUT) == {"own": 3.0}


def test_a_handmade_trainer_is_told_whether_evaluations_are_stateful(state):
    silent = pj.Trainer(*STATEFUL[:3])
    state = state._replace(model_state=jnp.float32(3.0))
    told = Validation(lambda p, own, batch: {"own": own}, HELD_OUT, every=1, stateful=True)
    assert evaluate(silent, told, state, HELD_OUT) == {"own": 3.0}
    plain = Validation(lambda p, batch: {"loss": p}, HELD_OUT, every=1)
    assert evaluate(silent, plain, state, HELD_OUT) == {"loss": 2.0}


@pytest.mark.parametrize(
    ("stateful", "options", "error", "message"),
    [
        (True, {"stateful": False}, ValueError, "stateful=False contradicts .* stateful=True"),
        (False, {"stateful": True}, ValueError, "stateful=True contradicts .* stateful=False"),
        (
            True, {"evaluate": lambda params, batch: {"loss": params}}, TypeError,
            r"expected a function \(params, model_state, batch\), got .* takes \(params, batch\)",
        ),
        (
            False, {"evaluate": lambda params, state, data: {"loss": params}}, TypeError,
            r"expected a function \(params, batch\), got one that takes \(params, state, data\)",
        ),
    ],
)  # fmt: skip
def test_the_trainer_says_what_evaluations_take(trainer, stateful, options, error, message):
    options = {"evaluate": mean_of_x, "data": HELD_OUT, "every": 1} | options
    with pytest.raises(error, match=message):
        pj.fit(
            STATEFUL if stateful else trainer, jnp.float32(2), HELD_OUT, key=jax.random.key(0),
            steps=1, model_state=jnp.float32(0) if stateful else (),
            validation=Validation(**options),
        )  # fmt: skip


def test_a_stateful_loss_may_be_the_evaluation(state):
    loss_fn = lambda p, own, batch: (p, (own, {"x": batch["x"].mean()}))
    state = state._replace(model_state=jnp.float32(3.0))
    measured = evaluate(STATEFUL, Validation(loss_fn, HELD_OUT, every=1), state, HELD_OUT)
    assert measured == {"loss": 2.0, "x": 4.5}


def test_a_forgotten_model_state_is_asked_for():
    trainer = pj.train_step(
        lambda p, own, batch, key: ((p - own) * batch["x"].mean(), (own, {})), optax.sgd(1.0),
        stateful=True,
    )  # fmt: skip
    with pytest.raises(TypeError) as caught:
        pj.fit(trainer, jnp.float32(2), HELD_OUT, key=jax.random.key(0), steps=1)
    assert "was model_state= forgotten" in caught.value.__notes__[-1]


def test_a_healthy_run_passes_where_nan_is_hunted(trainer):
    with jax.debug_nans(True):
        validation = Validation(mean_of_x, HELD_OUT, every=2, early_stopping=EarlyStopping())
        run = pj.fit(
            trainer, jnp.float32(2), HELD_OUT, key=jax.random.key(0), steps=3, batch_size=4,
            validation=validation,
        )  # fmt: skip
    assert run.status == "finished"


def test_a_model_state_that_nothing_takes_is_refused(trainer):
    with pytest.raises(ValueError, match="model_state: the trainer takes none; .*stateful=True"):
        pj.fit(
            trainer, jnp.float32(2), HELD_OUT, key=jax.random.key(0), steps=1,
            model_state={"mean": jnp.zeros(3)},
        )  # fmt: skip


def test_with_64_bits_validation_is_in_float64():
    """1 + 1e-12 and 1 - 1e-12 are the same in float32; the best is the second validation."""
    with jax.enable_x64(True):
        trainer = pj.train_step(lambda w, batch, key: (w * batch.sum(), {}), optax.sgd(1e-12))
        validation = Validation(
            lambda w, batch: {"loss": (w - batch).mean()}, np.zeros(4), every=1, batch_size=3,
            early_stopping=EarlyStopping(patience=1),
        )  # fmt: skip
        run = pj.fit(
            trainer, np.float64(1), np.ones(1), key=jax.random.key(0), steps=3,
            validation=validation,
        )  # fmt: skip
    assert run.status == "finished"
    assert run.validation["loss"].dtype == np.float64
    np.testing.assert_allclose(run.validation["loss"] - 1, [-1e-12, -2e-12, -3e-12], rtol=1e-3)


def test_with_64_bits_a_plateau_sees_small_improvements():
    with jax.enable_x64(True):
        tx = optax.chain(optax.sgd(1e-12), pj.optim.reduce_on_plateau(patience=1))
        trainer = pj.train_step(lambda w, batch, key: (w * batch.sum(), {}), tx)
        validation = Validation(lambda w, batch: {"loss": w + batch.sum()}, np.zeros(1), every=1)
        run = pj.fit(
            trainer, np.float64(1), np.ones(1), key=jax.random.key(0), steps=4,
            validation=validation,
        )  # fmt: skip
    assert float(run.state.opt_state[1].scale) == 1.0


def test_scores_are_made_small():
    up = Validation(mean_of_x, HELD_OUT, every=1, metric="accuracy", maximise=True)
    assert up.score({"accuracy": 0.75}) == -0.75
    assert up.score({"accuracy": math.nan}) == math.inf
    with pytest.raises(ValueError, match="unknown metric 'accuracy'; .*known: acc"):
        up.score({"acc": 1.0})


def test_best_counts_validations_without_improvement():
    best = Best()
    for step, score in enumerate([3.0, 2.0, 1.95, math.inf, 2.5]):
        best = best.after(score, step, min_delta=0.1)
    assert best == Best(2.0, 1, 3)
    assert Best.from_json(best.to_json()) == best
    assert Best.from_json(Best().to_json()) == Best()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Validation(None, HELD_OUT, every=1), TypeError, "expected a function, got None"),
        (lambda: Validation(mean_of_x, {}, every=1), ValueError, "expected at least one array"),
        (lambda: Validation(mean_of_x, HELD_OUT, every=0), ValueError, "every: expected a whole"),
        (lambda: Validation(mean_of_x, HELD_OUT, 1, batch_size=0), ValueError, "batch_size: exp"),
        (lambda: EarlyStopping(patience=0), ValueError, "patience: expected a whole number"),
        (lambda: EarlyStopping(min_delta=-1.0), ValueError, "min_delta: expected a number from 0"),
    ],
)
def test_bad_settings_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("output", "error", "message"),
    [
        (lambda p, batch: p, TypeError, "evaluate: expected it to return metrics"),
        (lambda p, batch: {"a": batch["x"]}, ValueError, r"'a' has shape \(10,\), expected a sc"),
        (lambda p, batch: {"step": p}, ValueError, "a metric is called 'step'"),
        (lambda p, batch: {3: p}, TypeError, "expected names of metrics, got int 3"),
        (lambda p, batch: {"": p}, TypeError, "expected names of metrics, got str ''"),
        (lambda p, batch: {"a": object()}, TypeError, "metric 'a' is object .*, expected a number"),
        (lambda p, batch: {"a": None}, TypeError, "metric 'a' is None, expected a number"),
        (lambda p, batch: {"a": {"b": p}}, TypeError, "metric 'a' is dict .*, expected a number"),
        (lambda p, batch: {"a": (p, p)}, TypeError, "metric 'a' is tuple .*, expected a number"),
        (lambda p, batch: {"a": "good"}, TypeError, "metric 'a' is str 'good', expected a number"),
        (lambda p, batch: {"a": p + 1j}, TypeError, "metric 'a' is complex64, expected a real"),
    ],
)
def test_bad_metrics_are_refused(trainer, state, output, error, message):
    with pytest.raises(error, match=message):
        evaluate(trainer, Validation(output, HELD_OUT, every=1), state, HELD_OUT)
