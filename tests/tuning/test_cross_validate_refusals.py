import jax
import numpy as np
import optax
import pytest
from problems import problem_arguments

import paramjax as pj
from paramjax import cross_validate
from paramjax.losses import squared_error, supervised
from paramjax.step._state import WholeDataTrainer

ROWS, FOLDS = 23, 5
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
            ValueError,
            "stratify: the fold of each row is given already",
        ),
        ({"steps": 0}, ValueError, "steps: expected a whole number from 1"),
        ({"batch_size": 0}, ValueError, "batch_size: expected a whole number from 1"),
        (
            {"batch_size": 19},
            ValueError,
            "batch_size: expected at most the 18 training rows of the smallest fold, got 19",
        ),
        ({"eval_batch_size": 0}, ValueError, "eval_batch_size: expected a whole number from 1"),
        ({"evaluate": None}, TypeError, "evaluate: expected a function .*, got None"),
        ({"eval_data": 0}, ValueError, "eval_data: a cross-validation evaluates on the held-out"),
        ({"hyperparameters": {"rate": 1}}, ValueError, "a trainer has them already"),
        ({"key": jax.random.PRNGKey(0)}, TypeError, "key: expected a typed key"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(trainer, table, change, error, message):
    arguments = {
        "init": draw, "data": table, "evaluate": evaluate, "steps": 2, "key": KEY, "folds": FOLDS,
    } | change  # fmt: skip

    def validated():
        return cross_validate(trainer, **problem_arguments(arguments))

    with pytest.raises(error, match=message):
        validated()


def test_a_trainer_that_draws_its_own_rows_takes_no_batch_size(trainer, table):
    with pytest.raises(ValueError, match="batch_size: this trainer draws its own rows"):
        cross_validate(
            WholeDataTrainer(*trainer),
            pj.Problem(init=draw, data=table, batch_size=4, evaluate=evaluate),
            steps=2,
            key=KEY,
        )


def test_data_and_metrics_that_are_none_are_refused(trainer, table):
    settings = {"steps": 1, "key": KEY, "folds": 2}
    bad = {**table, "x": table["x"].copy()}
    bad["x"][3, 1] = np.nan
    with pytest.raises(ValueError, match="data: leaf x holds 1 values that are NaN"):
        cross_validate(trainer, pj.Problem(init=draw, data=bad, evaluate=evaluate), **settings)
    with pytest.raises(TypeError, match="evaluate: expected it to return metrics"):
        cross_validate(
            trainer,
            pj.Problem(init=draw, data=table, evaluate=lambda params, batch: 1.0),
            **settings,
        )
    rows = lambda params, batch: {"e": batch["y"]}
    with pytest.raises(ValueError, match=r"metric 'e' has shape \(11, 1\), expected a scalar"):
        cross_validate(trainer, pj.Problem(init=draw, data=table, evaluate=rows), **settings)


def test_a_function_that_makes_no_trainer_is_refused(table):
    problem = pj.Problem(init=draw, data=table, evaluate=evaluate)
    with pytest.raises(TypeError, match="make_trainer: expected a trainer .* got int 3"):
        cross_validate(lambda hp: 3, problem, steps=1, key=KEY)
    with pytest.raises(TypeError, match="problem: expected a pj.Problem, got dict"):
        cross_validate(lambda hp: 3, {}, steps=1, key=KEY)
