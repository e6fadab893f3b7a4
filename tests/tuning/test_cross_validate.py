import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from problems import problem_arguments
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import PredefinedSplit, cross_val_score

import paramjax as pj
from paramjax.data import batch_order, folds
from paramjax.losses import squared_error, supervised
from paramjax.populations import prepare_starts
from paramjax.step import scan_steps

# which trainers draw their own rows is known to the package alone
from paramjax.step._state import WholeDataTrainer

ROWS, FOLDS, STEPS = 23, 5, 30
KEY = jax.random.key(3)
LOSS = supervised(lambda params, x: x @ params["w"], squared_error)
TRAINER = pj.train_step(LOSS, optax.sgd(0.2))


def evaluate(params, batch):
    return LOSS(params, batch, None)


def draw(key):
    return {"w": jax.random.normal(key, (3, 1))}


def make_table(rows=ROWS):
    rng = np.random.default_rng(0)
    x = np.c_[rng.normal(size=(rows, 2)), np.ones(rows)].astype(np.float32)
    y = x @ np.float32([[1.0], [-2.0], [0.5]]) + 0.3 * rng.normal(size=(rows, 1))
    return {"x": x, "y": y.astype(np.float32)}


TABLE = make_table()


def validated(trainer=TRAINER, **settings):
    arguments = {
        "init": draw, "data": TABLE, "evaluate": evaluate, "steps": STEPS, "key": KEY,
        "folds": FOLDS,
    } | settings  # fmt: skip
    return pj.cross_validate(trainer, **problem_arguments(arguments))


@pytest.fixture(scope="module")
def batched():
    return validated(batch_size=6)


@pytest.fixture(scope="module")
def whole():
    return validated()


def single(trainer, data, fold, number, batch_size=None, steps=STEPS):
    """One fold trained by itself, from the keys that the documentation names."""
    _, start_key, order_key = jax.random.split(KEY, 3)
    starts = prepare_starts(draw, start_key, [number])
    state = trainer.init(starts.key[0], jax.tree.map(lambda leaf: leaf[0], starts.params))
    own = jax.tree.map(lambda leaf: leaf[fold != number], data)
    order = None
    if batch_size is not None:
        key = jax.random.fold_in(order_key, number)
        order = batch_order(key, len(own["x"]), batch_size, steps)
    return scan_steps(trainer, state, own, order, steps)


def test_least_squares_equals_the_closed_form_and_scikit_learn():
    """23 rows in 5 folds: 18 or 19 to train on, all of them used."""
    result = validated(steps=400)
    x, y, fold = TABLE["x"].astype(np.float64), TABLE["y"].astype(np.float64), result.folds
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


@pytest.mark.parametrize(("name", "batch_size"), [("batched", 6), ("whole", None)])
def test_a_lane_is_the_fold_trained_alone(request, name, batch_size):
    """Under vmap XLA may order sums otherwise: equal to 1e-5, not to the bit."""
    result = request.getfixturevalue(name)
    for number in range(FOLDS):
        state, history = single(TRAINER, TABLE, result.folds, number, batch_size)
        mine = jax.tree.map(lambda leaf, n=number: leaf[n], (result.params, result.history))
        chex.assert_trees_all_close(mine, (state.params, history), rtol=1e-5, atol=1e-6)
    assert result.history["loss"].shape == (FOLDS, STEPS)
    assert len(set(result.history["loss"][:, 0].tolist())) == FOLDS


def test_each_epoch_reads_training_rows_once_and_held_out_rows_never():
    def loss_fn(params, batch, key):
        return jnp.mean((params["w"][0, 0] - batch["row"]) ** 2), {"read": batch["row"]}

    result = validated(
        pj.train_step(loss_fn, optax.sgd(0.1)), data={"row": np.arange(ROWS, dtype=np.float32)},
        batch_size=4, steps=12, evaluate=lambda params, batch: {"first": batch["row"][0]},
    )  # fmt: skip
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


@pytest.mark.parametrize(("name", "batch_size"), [("batched", 6), ("whole", None)])
def test_poison_in_the_held_out_rows_never_reaches_the_training(request, name, batch_size):
    """The same program on data that differs in one fold only: equal to the bit."""
    clean = request.getfixturevalue(name)
    poison = {name: leaf.copy() for name, leaf in TABLE.items()}
    poison["y"][clean.folds == 2] = 1e30
    poison["x"][clean.folds == 2] = -1e30
    dirty = validated(data=poison, batch_size=batch_size)
    second = lambda result: jax.tree.map(lambda leaf: leaf[2], (result.params, result.history))
    chex.assert_trees_all_equal(second(dirty), second(clean))
    assert dirty.status == ("diverged",) * FOLDS  # the others trained on it
    assert dirty.diverged_step[2] is None


@pytest.mark.parametrize("size", [None, 2, 64])
def test_metrics_count_every_held_out_row_once(size):
    ones = lambda key: {"w": jnp.ones((3, 1))}
    still = pj.train_step(LOSS, optax.sgd(0.0))
    result = validated(still, init=ones, steps=1, eval_batch_size=size)
    errors = ((TABLE["x"].sum(1, keepdims=True) - TABLE["y"]) ** 2)[:, 0]
    expected = [errors[result.folds == number].mean() for number in range(FOLDS)]
    np.testing.assert_allclose(result.metrics["loss"], expected, rtol=1e-5)


def test_one_fold_diverges_and_the_others_do_not_notice():
    """The steepest row is in fold 1 alone, so all folds but that one train on it."""
    table, fold = make_table(12), np.arange(12) % 3
    table["x"][1] *= 1e4
    result = validated(data=table, folds=fold)
    assert result.status == ("diverged", "finished", "diverged")
    assert result.diverged_step[1] is None
    first = [int(np.argmin(np.isfinite(losses))) for losses in result.history["loss"]]
    assert (result.diverged_step[0], result.diverged_step[2]) == (first[0], first[2])
    state, _ = single(TRAINER, table, fold, 1)
    np.testing.assert_allclose(result.params["w"][1], state.params["w"], rtol=1e-5)
    assert np.isnan(result.mean["loss"])
    assert np.isnan(result.stderr["loss"])
    assert f"fold 0 diverged at step {first[0] + 1}" in result.summary()
    assert "fold 1" not in result.summary()


def test_a_metric_that_is_not_reported_is_refused():
    problem = pj.Problem(
        init=lambda key: jnp.zeros(()), data=jnp.arange(4.0), metric="eror",
        evaluate=lambda params, batch: {"error": params},
    )  # fmt: skip
    trainer = pj.train_step(lambda w, b, k: (jnp.mean((w - b) ** 2), {}), optax.sgd(0.1))
    with pytest.raises(ValueError, match="problem: metric: unknown metric 'eror'; nearest: error"):
        pj.cross_validate(trainer, problem, steps=1, key=jax.random.key(0), folds=2)


FOLD_OF_FOUR = np.array([0, 1, 2, 2])


def counted(step_of_trouble, tx, loss):
    """A cross-validation whose parameter counts the steps; fold 1 is in trouble at one step."""
    rows = np.array([0.0, 1.0, 0.0, 0.0], np.float32)  # held out by fold 1 alone

    def loss_fn(params, batch, key):
        return loss(params, jnp.where(batch.max() == 0, step_of_trouble, 99.0)), {}

    problem = pj.Problem(
        init=lambda key: jnp.float32(0), data=rows,
        evaluate=lambda params, batch: {"error": jnp.ones(())},
    )  # fmt: skip
    return pj.cross_validate(
        pj.train_step(loss_fn, tx), problem, steps=9, key=jax.random.key(0), folds=FOLD_OF_FOUR
    )


@pytest.mark.parametrize("batch", ["loss", "gradient", "gradient mended", "update"])
def test_a_fold_that_a_step_loses_keeps_the_parameters_from_before(batch):
    """Its metrics are finite for any parameters, and must not count."""
    tx, at = optax.sgd(1.0), 4
    loss = lambda p, at: -p + 0 * jnp.sqrt(jnp.maximum(at - p, 0.0))
    if batch == "loss":
        loss = lambda p, at: -p + jnp.where(p == at, jnp.inf, 0.0)
    if batch == "gradient mended":
        tx = optax.chain(optax.zero_nans(), tx)
    if batch == "update":
        loss = lambda p, at: -p + 0 * at
        tx = optax.stateless(lambda g, p: jnp.where(p == at, jnp.inf, -g))
    result = counted(at, tx, loss)
    lost = [batch == "update", True, batch == "update"]
    assert result.params.tolist() == [at if own else 9 for own in lost]
    assert result.diverged_step == tuple(at if own else None for own in lost)
    assert result.status == tuple("diverged" if own else "finished" for own in lost)
    np.testing.assert_array_equal(np.isnan(result.metrics["error"]), lost)
    assert np.isnan(result.mean["error"])
    np.testing.assert_array_equal(result.history["loss"][1, :at], -np.arange(4.0))
    assert np.isnan(result.history["loss"][1, at + 1 :]).all()


def test_a_metric_that_is_not_finite_marks_its_fold():
    def worst(params, batch):
        return {"worst": jnp.where(jnp.any(batch["y"] == TABLE["y"][0, 0]), jnp.nan, 1.0)}

    result = validated(evaluate=worst)
    expected = ["finished"] * FOLDS
    expected[result.folds[0]] = "diverged"
    assert result.status == tuple(expected)


def test_the_averaged_parameters_are_evaluated():
    trainer = pj.train_step(LOSS, optax.sgd(0.2), [pj.hooks.ema(0.9)])
    result = validated(trainer, batch_size=4, steps=5, folds=2)
    state, _ = single(trainer, TABLE, result.folds, 1, batch_size=4, steps=5)
    average = trainer.eval_params(state)["w"]
    np.testing.assert_allclose(result.params["w"][1], average, rtol=1e-5)
    held_out = jax.tree.map(lambda leaf: leaf[result.folds == 1], TABLE)
    error = ((held_out["x"] @ np.asarray(average) - held_out["y"]) ** 2).mean()
    assert result.metrics["loss"][1] == pytest.approx(error, rel=1e-5)


def test_a_model_state_is_carried_and_handed_to_the_evaluation():
    def counting(params, count, batch, key):
        return LOSS(params, batch, key)[0], (count + len(batch["x"]), {})

    result = validated(
        pj.train_step(counting, optax.sgd(0.1), stateful=True), model_state=jnp.float32(100.0),
        stateful=True, evaluate=lambda params, count, batch: {"seen": count}, steps=3,
    )  # fmt: skip
    sizes = np.bincount(result.folds)
    np.testing.assert_array_equal(result.metrics["seen"], 100 + 3 * (ROWS - sizes))
    np.testing.assert_array_equal(result.model_state, result.metrics["seen"])


def test_the_best_parameters_come_back_with_their_model_state():
    """The state counts steps, and the loss is least after two of five."""

    def loss_fn(params, count, batch, key):
        return (count - 2.0) ** 2 + 0.0 * params["w"].sum(), (count + 1.0, {})

    best = pj.hooks.best_params(lambda metrics: metrics["loss"])
    trainer = pj.train_step(loss_fn, optax.sgd(0.1), [best], stateful=True)
    settings = {
        "model_state": jnp.float32(0.0), "steps": 5, "folds": 2,
        "evaluate": lambda params, count, batch: {"seen": count},
    }  # fmt: skip
    result = validated(trainer, **settings)
    assert len(set(result.model_state.tolist())) == 1
    np.testing.assert_array_equal(result.model_state, result.metrics["seen"])
    assert result.model_state[0] in (2.0, 3.0)


def test_two_calls_trace_once():
    traced = []

    def loss_fn(params, batch, key):
        traced.append("step")
        return LOSS(params, batch, key)

    def measure(params, batch):
        traced.append("evaluation")
        return evaluate(params, batch)

    trainer = pj.train_step(loss_fn, optax.sgd(0.1))
    settings = {"steps": 3, "evaluate": measure, "batch_size": 4}
    first = validated(trainer, key=jax.random.key(0), **settings)
    once = list(traced)
    second = validated(trainer, key=jax.random.key(1), **settings)
    assert traced == once
    assert (first.folds != second.folds).any()


def test_labels_are_spread_and_folds_may_be_given():
    labels = np.arange(ROWS) % 3
    result = validated(folds=3, stratify=labels, steps=1, batch_size=4)
    fold_key = jax.random.split(KEY, 3)[0]
    np.testing.assert_array_equal(result.folds, folds(ROWS, 3, fold_key, stratify=labels))
    given = np.repeat([2, 0, 1], [3, 13, 7])
    make = lambda hp: pj.train_step(LOSS, optax.sgd(hp["rate"]))
    result = validated(make, folds=given, steps=1, batch_size=4, hyperparameters={"rate": 0.2})
    np.testing.assert_array_equal(result.folds, given)


NAN = {**TABLE, "x": np.where(np.arange(3 * ROWS).reshape(ROWS, 3) == 10, np.nan, TABLE["x"])}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"folds": 1}, ValueError, "folds: expected a whole number from 2"),
        ({"folds": 24}, ValueError, "folds: expected at most one for each of the 23 rows, got 24"),
        ({"folds": 2.5}, TypeError, "folds: expected a whole number, got float 2.5"),
        ({"folds": np.zeros(9, int)}, ValueError, r"fold of each of the 23 rows .* got int64\[9\]"),
        ({"folds": np.zeros(ROWS)}, ValueError, r"folds: expected .* got float64\[23\]"),
        ({"folds": np.zeros(ROWS, int)}, ValueError, r"0 without a gap, .* got \[0\]"),
        ({"folds": np.arange(ROWS) % 2 * 2}, ValueError, r"0 without a gap, .* got \[0, 2\]"),
        (
            {"folds": np.arange(ROWS) % 2, "stratify": np.zeros(ROWS, int)},
            ValueError, "stratify: the fold of each row is given already",
        ),
        ({"steps": 0}, ValueError, "steps: expected a whole number from 1"),
        ({"batch_size": 0}, ValueError, "batch_size: expected a whole number from 1"),
        (
            {"batch_size": 19}, ValueError,
            "batch_size: expected at most the 18 training rows of the smallest fold, got 19",
        ),
        (
            {"trainer": WholeDataTrainer(*TRAINER), "batch_size": 4},
            ValueError, "batch_size: this trainer draws its own rows",
        ),
        ({"eval_batch_size": 0}, ValueError, "eval_batch_size: expected a whole number from 1"),
        ({"data": NAN}, ValueError, "data: leaf x holds 1 values that are NaN"),
        ({"evaluate": None}, TypeError, "evaluate: expected a function .*, got None"),
        ({"evaluate": lambda p, b: 1.0}, TypeError, "evaluate: expected it to return metrics"),
        (
            {"evaluate": lambda p, b: {"e": b["y"]}, "folds": 2},
            ValueError, r"metric 'e' has shape \(11, 1\), expected a scalar",
        ),
        ({"eval_data": 0}, ValueError, "eval_data: a cross-validation evaluates on the held-out"),
        ({"hyperparameters": {"rate": 1}}, ValueError, "a trainer has them already"),
        ({"key": jax.random.PRNGKey(0)}, TypeError, "key: expected a typed key"),
        ({"trainer": lambda hp: 3}, TypeError, "make_trainer: expected a trainer .* got int 3"),
        ({"problem": {}}, TypeError, "problem: expected a pj.Problem, got dict"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_bad_input_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        validated(**{"steps": 2} | change)
