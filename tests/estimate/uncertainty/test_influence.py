"""Influence of single rows beside statsmodels' and fits without them."""

import jax.numpy as jnp
import numpy as np
import pytest
import statsmodels.api as sm

import paramjax as pj

N = 40


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 2)) * [1, 0.1] + [0, 3]
    return X, X @ [1, 3] + rng.normal(size=N), rng.uniform(0.1, 3, size=N)


def test_linear_regressions_equal_statsmodels(table):
    X, y, weights = table
    root = np.sqrt(weights)
    other = sm.OLS(root * y, root[:, None] * sm.add_constant(X)).fit().get_influence()
    est = pj.estimate.linear(X, y, weights=weights)
    found = pj.estimate.influence(est)
    np.testing.assert_allclose(found.leverage, other.hat_matrix_diag, rtol=1e-8)
    np.testing.assert_allclose(found.standardised, other.resid_studentized_internal, rtol=1e-8)
    np.testing.assert_allclose(found.studentised, other.resid_studentized_external, rtol=1e-8)
    np.testing.assert_allclose(found.cooks_distance, other.cooks_distance[0], rtol=1e-8)
    np.testing.assert_allclose(found.dfbetas, other.dfbetas, rtol=1e-8, atol=1e-11)
    without = [
        pj.estimate.linear(X, y, weights=np.where(np.arange(N) == row, 0, weights)).theta
        for row in range(N)
    ]
    np.testing.assert_allclose(found.leave_one_out, without, rtol=1e-10)
    refits = pj.estimate.influence(est, refit=True)
    np.testing.assert_allclose(refits.leave_one_out, without, rtol=1e-10)
    np.testing.assert_allclose(refits.cooks_distance, found.cooks_distance, rtol=1e-8)
    assert not len(refits.failed)
    assert found.largest(1) == np.argmax(found.cooks_distance)
    assert list(found.to_frame()["dfbetas x2"]) == list(found.dfbetas[:, 2])
    assert f"row {found.largest(1)[0]}: Cook's distance" in repr(found)


def test_likelihood_equals_statsmodels(table):
    X, _, weights = table
    y = (weights > 1).astype(float)
    model = sm.GLM(y, sm.add_constant(X), family=sm.families.Binomial()).fit(tol=1e-14)
    other, found = model.get_influence(), pj.estimate.influence(pj.estimate.logistic(X, y))
    np.testing.assert_allclose(found.leverage, other.hat_matrix_diag, rtol=1e-8)
    np.testing.assert_allclose(found.dfbetas, other.dfbetas, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(found.cooks_distance, other.cooks_distance[0], rtol=1e-8)
    assert found.residuals is None


def curve(params, x):
    return params["a"] * jnp.exp(-params["b"] * x)


@pytest.mark.slow
def test_refits_of_curves_equal_fits_without_the_row():
    x = np.linspace(0, 4, 12)
    y = 3 * np.exp(-x) + 0.05 * np.cos(40 * x)
    est = pj.estimate.curve_fit(curve, {"a": 1.0, "b": 1.0}, x, y)
    step, refit = pj.estimate.influence(est), pj.estimate.influence(est, refit=True)
    for row in (0, 5):
        weights = np.where(np.arange(12) == row, 0.0, 1.0)
        alone = pj.estimate.curve_fit(curve, {"a": 1.0, "b": 1.0}, x, y, weights=weights)
        np.testing.assert_allclose(refit.leave_one_out[row], alone.theta, rtol=1e-9)
    # the step misses the square of the change
    change = np.abs(refit.leave_one_out - est.theta).max()
    np.testing.assert_allclose(step.leave_one_out, refit.leave_one_out, atol=5 * change**2)


def test_a_row_that_alone_determines_a_parameter_cannot_be_left_out(table):
    X, y, _ = table
    est = pj.estimate.linear({"x": X[:, 0], "own": np.arange(N) == 3}, y)
    found = pj.estimate.influence(est, refit=True)
    assert found.failed.tolist() == [3]
    assert np.isnan(found.leave_one_out[3]).all()
    assert np.isfinite(np.delete(found.leave_one_out, 3, axis=0)).all()
    assert np.isnan(found.studentised[3])
