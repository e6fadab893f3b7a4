import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import PredefinedSplit, cross_val_score

import paramjax as pj
from paramjax import cross_validate
from paramjax.data import batch_order, folds
from paramjax.losses import squared_error, supervised
from paramjax.populations import prepare_starts
from paramjax.step import scan_steps

ROWS, FOLDS, STEPS = 23, 5, 30
KEY = jax.random.key(3)


def predict(params, x):
    return x @ params["w"]


LOSS = supervised(predict, squared_error)


def evaluate(params, batch):
    return LOSS(params, batch, None)


def draw(key):
    return {"w": jax.random.normal(key, (3, 1))}


def make_table(rows=ROWS):
    rng = np.random.default_rng(0)
    x = np.c_[rng.normal(size=(rows, 2)), np.ones(rows)].astype(np.float32)
    y = x @ np.float32([[1.0], [-2.0], [0.5]]) + 0.3 * rng.normal(size=(rows, 1))
    return {"x": x, "y": y.astype(np.float32)}


@pytest.fixture(scope="module")
def table():
    return make_table()


@pytest.fixture(scope="module")
def trainer():
    return pj.train_step(LOSS, optax.sgd(0.2))


@pytest.fixture(scope="module")
def batched(trainer, table):
    return cross_validate(
        trainer,
        pj.Problem(init=draw, data=table, batch_size=6, evaluate=evaluate),
        steps=STEPS,
        key=KEY,
        folds=FOLDS,
    )


def part(data, rows):
    return jax.tree.map(lambda leaf: leaf[rows], data)


def single(trainer, data, fold, number, batch_size=None, steps=STEPS):
    """One fold trained by itself, from the keys that the documentation names."""
    _, start_key, order_key = jax.random.split(KEY, 3)
    starts = prepare_starts(draw, start_key, [number])
    state = trainer.init(starts.key[0], jax.tree.map(lambda leaf: leaf[0], starts.params))
    own = part(data, np.flatnonzero(fold != number))
    order = None
    if batch_size is not None:
        key = jax.random.fold_in(order_key, number)
        order = batch_order(key, len(own["x"]), batch_size, steps)
    return scan_steps(trainer, state, own, order, steps)


def test_least_squares_equals_the_closed_form_and_scikit_learn(trainer, table):
    """23 rows in 5 folds: 18 or 19 to train on, all of them used."""
    result = cross_validate(
        trainer,
        pj.Problem(init=draw, data=table, evaluate=evaluate),
        steps=400,
        key=KEY,
        folds=FOLDS,
    )
    x, y, fold = table["x"].astype(np.float64), table["y"].astype(np.float64), result.folds
    assert sorted(np.bincount(fold)) == [4, 4, 5, 5, 5]
    for number in range(FOLDS):
        exact = np.linalg.lstsq(x[fold != number], y[fold != number])[0]
        np.testing.assert_allclose(result.params["w"][number], exact, atol=1e-5)
        error = ((x[fold == number] @ exact - y[fold == number]) ** 2).mean()
        assert result.metrics["loss"][number] == pytest.approx(error, rel=1e-5)
    model = LinearRegression(fit_intercept=False)
    split, scoring = PredefinedSplit(fold), "neg_mean_squared_error"
    scores = -cross_val_score(model, x, y, cv=split, scoring=scoring)
    np.testing.assert_allclose(result.metrics["loss"], scores, rtol=1e-5)
    assert result.mean["loss"] == pytest.approx(scores.mean(), rel=1e-5)
    assert result.std["loss"] == pytest.approx(scores.std(ddof=1), rel=1e-4)
    assert result.stderr["loss"] == pytest.approx(scores.std(ddof=1) / np.sqrt(5), rel=1e-4)
    assert result.status == ("finished",) * FOLDS


def test_a_lane_is_the_fold_trained_alone(batched, trainer, table):
    """Under vmap XLA may order sums otherwise: equal to 1e-5, not to the bit."""
    for number in range(FOLDS):
        state, history = single(trainer, table, batched.folds, number, batch_size=6)
        mine = jax.tree.map(lambda leaf, n=number: leaf[n], (batched.params, batched.history))
        chex.assert_trees_all_close(mine, (state.params, history), rtol=1e-5, atol=1e-6)
    assert batched.history["loss"].shape == (FOLDS, STEPS)
    assert len(set(batched.history["loss"][:, 0].tolist())) == FOLDS


def test_whole_data_lanes_are_the_folds_trained_alone(trainer, table):
    result = cross_validate(
        trainer,
        pj.Problem(init=draw, data=table, evaluate=evaluate),
        steps=STEPS,
        key=KEY,
        folds=FOLDS,
    )
    for number in range(FOLDS):
        state, history = single(trainer, table, result.folds, number)
        mine = jax.tree.map(lambda leaf, n=number: leaf[n], (result.params, result.history))
        chex.assert_trees_all_close(mine, (state.params, history), rtol=1e-5, atol=1e-6)


def test_each_epoch_reads_training_rows_once_and_held_out_rows_never():
    def loss_fn(params, batch, key):
        return jnp.mean((params["w"][0, 0] - batch["row"]) ** 2), {"read": batch["row"]}

    data = {"row": np.arange(ROWS, dtype=np.float32)}
    result = cross_validate(
        pj.train_step(loss_fn, optax.sgd(0.1)),
        pj.Problem(
            init=draw,
            data=data,
            batch_size=4,
            evaluate=lambda params, batch: {"first": batch["row"][0]},
        ),
        key=KEY,
        folds=FOLDS,
        steps=12,
    )
    read = result.history["read"].astype(int)
    assert read.shape == (FOLDS, 12, 4)
    for number in range(FOLDS):
        training = set(np.flatnonzero(result.folds != number).tolist())
        per_epoch = len(training) // 4
        assert set(read[number].ravel().tolist()) == training
        for start in range(0, 12 - per_epoch + 1, per_epoch):
            epoch = read[number, start : start + per_epoch].ravel()
            assert len(set(epoch.tolist())) == epoch.size
        assert result.folds[int(result.metrics["first"][number])] == number


@pytest.mark.parametrize("batch_size", [6, None])
def test_poison_in_the_held_out_rows_never_reaches_the_training(trainer, table, batch_size):
    """The same program on data that differs in one fold only: equal to the bit."""
    settings = {"steps": STEPS, "key": KEY}
    clean = cross_validate(
        trainer,
        pj.Problem(init=draw, data=table, evaluate=evaluate, batch_size=batch_size),
        folds=FOLDS,
        **settings,
    )
    poison = {name: leaf.copy() for name, leaf in table.items()}
    poison["y"][clean.folds == 2] = 1e30
    poison["x"][clean.folds == 2] = -1e30
    dirty = cross_validate(
        trainer,
        pj.Problem(init=draw, data=poison, evaluate=evaluate, batch_size=batch_size),
        folds=FOLDS,
        **settings,
    )
    second = lambda result: jax.tree.map(lambda leaf: leaf[2], (result.params, result.history))
    chex.assert_trees_all_equal(second(dirty), second(clean))
    assert dirty.status == ("diverged",) * FOLDS  # the others trained on it
    assert dirty.diverged_step[2] is None


@pytest.mark.parametrize("size", [None, 2, 64])
def test_metrics_count_every_held_out_row_once(table, size):
    still = pj.train_step(LOSS, optax.sgd(0.0))
    result = cross_validate(
        still,
        pj.Problem(init=lambda key: {"w": jnp.ones((3, 1))}, data=table, evaluate=evaluate),
        key=KEY,
        folds=FOLDS,
        steps=1,
        eval_batch_size=size,
    )
    errors = ((table["x"].sum(1, keepdims=True) - table["y"]) ** 2)[:, 0]
    expected = [errors[result.folds == number].mean() for number in range(FOLDS)]
    np.testing.assert_allclose(result.metrics["loss"], expected, rtol=1e-5)


def test_one_fold_diverges_and_the_others_do_not_notice(trainer):
    """The steepest row is in fold 1 alone, so all folds but that one train on it."""
    table = make_table(12)
    fold = np.arange(12) % 3
    table["x"][1] *= 1e4
    settings = {"steps": STEPS, "key": KEY, "folds": fold}
    result = cross_validate(
        trainer, pj.Problem(init=draw, data=table, evaluate=evaluate), **settings
    )
    assert result.status == ("diverged", "finished", "diverged")
    assert result.diverged_step[1] is None
    first = [int(np.argmin(np.isfinite(losses))) for losses in result.history["loss"]]
    assert (result.diverged_step[0], result.diverged_step[2]) == (first[0], first[2])
    state, _ = single(trainer, table, fold, 1)
    np.testing.assert_allclose(result.params["w"][1], state.params["w"], rtol=1e-5)
    assert np.isnan(result.mean["loss"])
    assert np.isnan(result.stderr["loss"])
    assert f"fold 0 diverged at step {first[0] + 1}" in result.summary()
    assert "fold 1" not in result.summary()


def test_a_metric_that_is_not_finite_marks_its_fold(trainer, table):
    def worst(params, batch):
        return {"worst": jnp.where(jnp.any(batch["y"] == table["y"][0, 0]), jnp.nan, 1.0)}

    result = cross_validate(
        trainer,
        pj.Problem(init=draw, data=table, evaluate=worst),
        steps=STEPS,
        key=KEY,
        folds=FOLDS,
    )
    expected = ["finished"] * FOLDS
    expected[result.folds[0]] = "diverged"
    assert result.status == tuple(expected)


def test_what_is_evaluated_is_the_average(table):
    trainer = pj.train_step(LOSS, optax.sgd(0.2), [pj.hooks.ema(0.9)])
    result = cross_validate(
        trainer,
        pj.Problem(init=draw, data=table, batch_size=4, evaluate=evaluate),
        steps=5,
        key=KEY,
        folds=2,
    )
    state, _ = single(trainer, table, result.folds, 1, batch_size=4, steps=5)
    average = trainer.eval_params(state)["w"]
    np.testing.assert_allclose(result.params["w"][1], average, rtol=1e-5)
    held_out = part(table, result.folds == 1)
    error = ((held_out["x"] @ np.asarray(average) - held_out["y"]) ** 2).mean()
    assert result.metrics["loss"][1] == pytest.approx(error, rel=1e-5)


def test_a_model_state_is_carried_and_handed_to_the_evaluation(table):
    def counting(params, count, batch, key):
        return LOSS(params, batch, key)[0], (count + len(batch["x"]), {})

    trainer = pj.train_step(counting, optax.sgd(0.1), stateful=True)
    result = cross_validate(
        trainer,
        pj.Problem(
            init=draw,
            data=table,
            evaluate=lambda params, count, batch: {"seen": count},
            model_state=jnp.float32(100.0),
            stateful=True,
        ),
        key=KEY,
        folds=FOLDS,
        steps=3,
    )
    sizes = np.bincount(result.folds)
    np.testing.assert_array_equal(result.metrics["seen"], 100 + 3 * (ROWS - sizes))


def test_two_calls_trace_once(table):
    traced = []

    def loss_fn(params, batch, key):
        traced.append("step")
        return LOSS(params, batch, key)

    def measure(params, batch):
        traced.append("evaluation")
        return evaluate(params, batch)

    trainer = pj.train_step(loss_fn, optax.sgd(0.1))
    settings = {"steps": 3, "folds": FOLDS}
    first = cross_validate(
        trainer,
        pj.Problem(init=draw, data=table, evaluate=measure, batch_size=4),
        key=jax.random.key(0),
        **settings,
    )
    once = list(traced)
    second = cross_validate(
        trainer,
        pj.Problem(init=draw, data=table, evaluate=measure, batch_size=4),
        key=jax.random.key(1),
        **settings,
    )
    assert traced == once
    assert (first.folds != second.folds).any()


def test_labels_are_spread_and_folds_may_be_given(trainer, table):
    settings = {"steps": 1, "key": KEY}
    labels = np.arange(ROWS) % 3
    result = cross_validate(
        trainer,
        pj.Problem(init=draw, data=table, evaluate=evaluate, batch_size=4),
        folds=3,
        stratify=labels,
        **settings,
    )
    fold_key = jax.random.split(KEY, 3)[0]
    np.testing.assert_array_equal(result.folds, folds(ROWS, 3, fold_key, stratify=labels))
    given = np.repeat([2, 0, 1], [3, 13, 7])
    result = cross_validate(
        trainer,
        pj.Problem(init=draw, data=table, evaluate=evaluate, batch_size=4),
        folds=given,
        **settings,
    )
    np.testing.assert_array_equal(result.folds, given)
