import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.inspection import permutation_importance as by_sklearn
from sklearn.linear_model import LinearRegression

from paramjax.explain import permutation_importance

ROWS, REPEATS = 30, 4


def r2(x, y):
    return 1 - ((x @ jnp.array([2.0, -1.0, 0.0]) - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 3)).astype(np.float32)
    return x, (x @ [2.0, -1.0, 0.0] + rng.normal(size=ROWS)).astype(np.float32)


def orders_of_sklearn(seed):
    """It shuffles a column that it has shuffled before, with one seed for all columns."""
    draw = np.random.RandomState(np.random.RandomState(seed).randint(np.iinfo(np.int32).max + 1))
    order, shuffled, orders = np.arange(ROWS), np.arange(ROWS), []
    for _ in range(REPEATS):
        draw.shuffle(shuffled)
        order = order[shuffled]
        orders.append(order)
    return np.stack(orders)


def test_equal_to_scikit_learn_on_its_orders(table):
    x, y = table
    line = LinearRegression().fit(x, y)
    line.coef_, line.intercept_ = np.array([2.0, -1.0, 0.0]), 0.0
    theirs = by_sklearn(line, x, y, n_repeats=REPEATS, random_state=7)
    ours = permutation_importance(r2, x, y, orders_of_sklearn(7))
    np.testing.assert_allclose(ours.values, theirs.importances, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.mean, theirs.importances_mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.std, theirs.importances_std, rtol=1e-4, atol=1e-6)
    assert float(ours.score) == pytest.approx(line.score(x, y), rel=1e-5)


def test_a_key_names_the_orders_and_images_keep_their_shape(table):
    x, y = table
    key = jax.random.key(0)
    orders = np.stack(
        [jax.random.permutation(jax.random.fold_in(key, r), ROWS) for r in range(REPEATS)]
    )
    named = permutation_importance(r2, x, y, orders)
    as_images = lambda x, y: r2(x.reshape(ROWS, 3), y)
    found = permutation_importance(as_images, x.reshape(ROWS, 1, 3, 1), y, key, REPEATS)
    assert found.values.shape == (1, 3, 1, REPEATS)
    np.testing.assert_allclose(found.mean[0, :, 0], named.mean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("error", "change", "message"),
    [
        (ValueError, {"x": np.ones(ROWS)}, r"x: expected rows of features \[rows, \.\.\.\]"),
        (ValueError, {"score": lambda x, y: x @ x.T}, "score: expected one number.* take its mean"),
        (ValueError, {"score": lambda x, y: (x > 0).all()}, "score: expected one number"),
        (TypeError, {"score": lambda x, y: np.mean(np.asarray(x))}, "score: .* jax can trace"),
        (TypeError, {"x": {"age": np.ones(ROWS)}}, "x: expected an array of numbers, got dict"),
        (TypeError, {"y": np.array(["a"] * ROWS)}, "y: expected an array of numbers, got <U1"),
        (ValueError, {"y": np.ones(ROWS - 1)}, r"y: expected targets of 30 rows, got float\d+\[29"),
        (TypeError, {"score": 1.0}, "score: expected a function .* got float 1.0"),
        (ValueError, {"repeats": 0}, "repeats: expected a whole number from 1"),
        (TypeError, {"key": 3}, "key: expected a typed key"),
        (TypeError, {"key": np.ones((2, ROWS))}, "orders of the rows, integers, got float64"),
        (ValueError, {"key": np.zeros((2, ROWS), int)}, "that hold each row once, got int64"),
        (ValueError, {"key": np.zeros((2, 3), int)}, r"expected orders \[repeats, 30\]"),
    ],
)
def test_bad_inputs_are_refused(table, error, change, message):
    x, y = table
    good = {"score": r2, "x": x, "y": y, "key": jax.random.key(0)}
    with pytest.raises(error, match=message):
        permutation_importance(**good | change)
