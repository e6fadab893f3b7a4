"""Scalers against scikit-learn's, on ordinary, constant and enormous features."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn import preprocessing

import paramjax as pj
from paramjax import data

ROWS = np.random.default_rng(0).normal(5, 3, (40, 3))
ROWS[:, 1] = 0.1  # constant, with a mean that rounds
ROWS[0, 2] = 900.0
NEW = np.random.default_rng(1).normal(0, 9, (7, 3))

CASES = {
    "standard": (data.standard_scaler, preprocessing.StandardScaler()),
    "min_max": (data.min_max_scaler, preprocessing.MinMaxScaler()),
    "robust": (data.robust_scaler, preprocessing.RobustScaler()),
}


@pytest.mark.parametrize("name", CASES)
def test_they_are_scikit_learns_and_can_be_undone(name):
    fit, theirs = CASES[name]
    theirs.fit(ROWS)
    for rows, tolerance in ((ROWS, 1e-6), (jnp.asarray(ROWS, jnp.float32), 2e-4)):
        scaler = fit(rows)
        for x in (rows, NEW.astype(rows.dtype)):
            scaled = scaler.apply(x)
            np.testing.assert_allclose(scaled, theirs.transform(x), rtol=tolerance, atol=tolerance)
            np.testing.assert_allclose(scaler.invert(scaled), x, rtol=1e-5, atol=1e-4)
            assert scaled.dtype == np.float32


def test_one_of_the_range_and_digits_of_large_numbers():
    scaler = data.min_max_scaler(ROWS, low=-1, high=2)
    theirs = preprocessing.MinMaxScaler((-1, 2)).fit(ROWS)
    np.testing.assert_allclose(scaler.apply(NEW), theirs.transform(NEW), rtol=1e-6)
    seconds = 1.7e9 + np.arange(4.0)[:, None]
    assert np.ptp(data.standard_scaler(seconds).apply(seconds)) == pytest.approx(2.683, abs=1e-3)


def test_parts_are_scaled_by_the_training_part_alone():
    parts = data.split({"x": ROWS, "y": np.zeros(40)})
    scaled = data.scale(parts, data.robust_scaler)
    theirs = preprocessing.RobustScaler().fit(parts.train["x"])
    np.testing.assert_allclose(scaled.test["x"], theirs.transform(parts.test["x"]), rtol=1e-5)
    standard = data.scale(parts)
    np.testing.assert_allclose(standard.train["x"], data.standardise(parts).train["x"], atol=1e-6)
    with pytest.raises(ValueError, match="unknown leaf 'z'"):
        data.scale(parts, name="z")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: data.standard_scaler(np.array([[np.nan]])), ValueError, "NaN or infinite"),
        (lambda: data.robust_scaler(np.zeros((0, 2))), ValueError, "no rows"),
        (lambda: data.robust_scaler([[1.0]]), TypeError, "expected an array"),
        (lambda: data.standard_scaler(np.ones((2, 1)) * 1j), TypeError, "got complex ones"),
        (lambda: data.min_max_scaler(ROWS, low=1, high=1), ValueError, "expected low < high"),
        (lambda: data.standard_scaler(ROWS).apply(NEW[:, :2]), ValueError, r"rows of shape \(3,\)"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_moments_of_batches_are_those_of_all_rows():
    seen = data.Moments.none((3,))
    np.testing.assert_array_equal(seen.scaler().apply(jnp.asarray(NEW, jnp.float32)),
                                  NEW.astype(np.float32))  # fmt: skip
    for part in np.split(ROWS.astype(np.float32), [1, 4, 20]):
        seen = seen.update(jnp.asarray(part))
    theirs = preprocessing.StandardScaler().fit(ROWS)
    scaler = seen.scaler()
    np.testing.assert_allclose(scaler.shift, theirs.mean_, rtol=1e-5)
    np.testing.assert_allclose(scaler.scale, theirs.scale_, rtol=1e-4)


def test_each_fold_is_standardised_by_its_own_training_rows():
    """Model states of the folds are the moments of the rows that each trained on."""
    x = ROWS[:12].astype(np.float32)

    def apply(w, seen, x):
        seen = seen.update(x)
        return seen.scaler().apply(x) @ w, seen

    problem = pj.Problem(
        init=lambda key: jnp.zeros((3, 1)),
        data={"x": x, "y": x[:, :1]},
        evaluate=lambda w, seen, rows: {"largest": jnp.abs(seen.scaler().apply(rows["x"])).max()},
        model_state=data.Moments.none((3,)),
        metric="largest",
    )
    loss_fn = pj.losses.supervised(apply, pj.losses.squared_error, stateful=True)
    trainer = pj.train_step(loss_fn, optax.sgd(0.1), stateful=True)
    result = pj.cross_validate(trainer, problem, steps=3, key=jax.random.key(0), folds=3)
    for fold in range(3):
        theirs = preprocessing.StandardScaler().fit(x[result.folds != fold])
        np.testing.assert_allclose(result.model_state.mean[fold], theirs.mean_, rtol=1e-4)
        largest = np.abs(theirs.transform(x[result.folds == fold])).max()
        assert result.metrics["largest"][fold] == pytest.approx(largest, rel=1e-3)
