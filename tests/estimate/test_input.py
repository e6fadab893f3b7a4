"""What users pass besides arrays and functions of jax.numpy: read as meant, or refused by name."""

from __future__ import annotations

import copy
import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import paramjax as pj

X = [0.0, 1.0, 2.0, 3.0]
Y = [1.0, 3.5, 4.5, 7.0]
START = {"a": 0.0, "b": 0.0}
LINE = np.polynomial.polynomial.polyfit(X, Y, 1)


def line(params, x):
    return params["a"] + params["b"] * x


def residuals(params, data):
    return data["y"] - line(params, data["x"])


def log_prob(params, data):
    return -0.5 * residuals(params, data) ** 2


def refit(data, make):
    fn = residuals if make is pj.estimate.least_squares else log_prob
    return list(make(fn, START, data).params.values())


@pytest.mark.parametrize("make", [pj.estimate.least_squares, pj.estimate.maximum_likelihood])
def test_lists_and_tables_are_data(make):
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"x": X, "y": Y}, index=[7, 7, 3, 1])
    np.testing.assert_allclose(refit({"x": X, "y": Y}, make), LINE, rtol=1e-12)
    np.testing.assert_allclose(refit(table, make), LINE, rtol=1e-12)
    with pytest.raises(ValueError, match="1 rows of y are missing"):
        refit({"x": X, "y": [None, *Y[1:]]}, make)


def test_curves_take_lists():
    est = pj.estimate.curve_fit(line, START, X, tuple(Y))
    np.testing.assert_allclose(list(est.params.values()), LINE, rtol=1e-12)
    band = pj.estimate.predict(est, [4, 5])
    np.testing.assert_allclose(band.mean, LINE[0] + LINE[1] * np.array([4, 5]), rtol=1e-12)


FITS = {
    "predict_fn": lambda fn: pj.estimate.curve_fit(
        lambda params, x: fn(params["b"], x), START, X, Y
    ),
    "residual_fn": lambda fn: pj.estimate.least_squares(
        lambda params, data: fn(params["b"], data["x"]), START, {"x": X}
    ),
    "log_prob_fn": lambda fn: pj.estimate.maximum_likelihood(
        lambda params, data: fn(params["b"], data["x"]), START, {"x": X}
    ),
    "residual_fn:": lambda fn: pj.estimate.least_squares_many(
        lambda params, x: fn(params["b"], x), START, np.array([X])
    ),
}


@pytest.mark.parametrize("name", FITS)
def test_functions_that_cannot_be_traced_are_explained(name):
    fit = FITS[name]
    with pytest.raises(TypeError, match=f"{name}.*jnp.exp"):
        fit(lambda b, x: np.exp(b * x))
    with pytest.raises(TypeError, match=f"{name}.*jnp.exp"):
        fit(lambda b, x: math.exp(b) * x)
    with pytest.raises(TypeError, match=f"{name}.*jnp.where"):
        fit(lambda b, x: x if b > 0 else -x)
    with pytest.raises((TypeError, ValueError), match=f"{name}.*tuple"):
        fit(lambda b, x: (b * x, b * x))


def test_rows_are_named():
    with pytest.raises(ValueError, match="got 0 in row 2"):
        pj.estimate.curve_fit(line, START, X, Y, sigma=[1, 1, 0, 1])
    with pytest.raises(ValueError, match=r"sigma: expected \[n\]"):
        pj.estimate.curve_fit(line, START, X, Y, sigma=np.eye(4))
    with pytest.raises(ValueError, match="sum of squares overflows"):
        pj.estimate.curve_fit(line, {"a": 1e200, "b": 0.0}, X, Y)
    with pytest.raises(ValueError, match="row 3.*y is infinite"):
        pj.estimate.curve_fit(line, START, X, [*Y[:3], np.inf])
    with pytest.raises(ValueError, match="derivatives by .*b are not finite"):
        pj.estimate.curve_fit(
            lambda params, x: params["a"] + jnp.sqrt(params["b"] * x), {"a": 1.0, "b": 1.0}, X, Y
        )


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(TypeError, match="fixed: expected names"):
        pj.estimate.curve_fit(line, START, X, Y, fixed={"a": 2.0})
    with pytest.raises(ValueError, match="a = 0"):
        pj.estimate.curve_fit(line, START, X, Y, fixed=["a"], bounds={"a": (1.0, 2.0)})
    for fn in ("a*x", None):
        with pytest.raises(TypeError, match="predict_fn: expected a function"):
            pj.estimate.curve_fit(fn, START, X, Y)
    with pytest.raises(TypeError, match="solver: expected"):
        pj.estimate.curve_fit(line, START, X, Y, solver="lm")


def test_traced_values_are_refused():
    fits = [
        lambda y: pj.estimate.curve_fit(line, START, X, y),
        lambda y: pj.estimate.curve_fit(line, {"a": y[0], "b": 0.0}, X, Y),
        lambda y: pj.estimate.curve_fit(line, START, X, Y, sigma=y),
        lambda y: pj.estimate.maximum_likelihood(log_prob, START, {"x": X, "y": y}),
        lambda y: pj.estimate.least_squares_many(residuals, START, {"x": y[None], "y": y[None]}),
    ]
    for fit in fits:
        with pytest.raises(TypeError, match="outside of jax.jit"):
            jax.eval_shape(lambda y, fit=fit: fit(y).params, np.array(Y))


def test_pickles_leave_the_objective_and_copies_keep_it():
    est = pj.estimate.curve_fit(line, START, X, Y)
    read = pickle.loads(pickle.dumps(est))
    assert str(read.summary()) == str(est.summary())
    assert read.interval(0.9) == est.interval(0.9)
    with pytest.raises(ValueError, match="a pickle leaves it behind"):
        pj.estimate.predict(read, X)
    for twin in (copy.copy(est), copy.deepcopy(est)):
        np.testing.assert_array_equal(
            pj.estimate.predict(twin, X).low, pj.estimate.predict(est, X).low
        )
    assert pickle.loads(pickle.dumps(pj.estimate.positive)) == pj.estimate.positive


@pytest.mark.slow
def test_no_refit_spreads_what_is_not_determined():
    est = pj.estimate.curve_fit(
        lambda params, x: (params["a"] + params["b"]) * x + params["c"], {**START, "c": 0.0}, X, Y
    )
    assert est.outcome == "singular"
    np.testing.assert_allclose(est.params["c"], LINE[0], rtol=1e-12)
    found = pj.estimate.bootstrap(est, jax.random.key(0), replicates=20, kind="residual")
    assert np.isnan([found.stderr["a"], found.stderr["b"]]).all()
    assert 0.1 < found.stderr["c"] < 0.6  # by the formula 0.39686
