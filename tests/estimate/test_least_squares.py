"""Nonlinear least squares against closed forms, SciPy and certified results."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, special

import paramjax as pj
from paramjax.estimate import curve_fit, least_squares

X = np.arange(20.0)
Y = 3.0 * np.exp(-0.2 * X) + 0.5 + 0.05 * np.random.default_rng(0).normal(size=20)
START = {"a": 1.0, "b": 1.0, "c": 0.3}


def decay(params, x):
    return params["a"] * jnp.exp(-params["b"] * x) + params["c"]


def by_scipy(sigma=None, **options):
    return optimize.curve_fit(
        lambda x, a, b, c: a * np.exp(-b * x) + c, X, Y, [1, 1, 0.3], sigma,
        xtol=1e-14, ftol=1e-14, gtol=1e-14, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def fitted():
    return curve_fit(decay, START, X, Y)


def test_equals_scipy_and_keeps_the_setting_of_jax(fitted):
    found, covariance = by_scipy()
    np.testing.assert_allclose(fitted.theta, found, rtol=1e-7)  # its own tolerance is the root
    np.testing.assert_allclose(fitted.covariance, covariance, rtol=1e-5)
    assert (fitted.outcome, fitted.rows, fitted.dof) == ("converged", 20, 17)
    assert fitted.names == ("a", "b", "c")
    assert jnp.ones(1).dtype == jnp.float32
    np.testing.assert_array_equal(curve_fit(decay, START, [*X], [*Y]).theta, fitted.theta)
    half = special.stdtrit(17, 0.975) * fitted.errors
    np.testing.assert_allclose(list(fitted.interval(0.95).low.values()), fitted.theta - half)
    # the normal likelihood at its best variance
    log = -10 * (np.log(2 * np.pi * fitted.value / 20) + 1)
    assert fitted.statistics["AIC"] == pytest.approx(6 - 2 * log)


def test_a_warm_call_of_the_same_function_traces_nothing(fitted):
    with jax.no_tracing():
        again = curve_fit(decay, {"a": 2.0, "b": 0.5, "c": 0.0}, X, Y)
    np.testing.assert_allclose(again.theta, fitted.theta, rtol=1e-9)


def test_known_deviations_fix_the_scale_and_weights_do_not(fitted):
    sigma = np.linspace(0.02, 0.1, 20)
    found, covariance = by_scipy(sigma, absolute_sigma=True)
    known = curve_fit(decay, START, X, Y, sigma=sigma)
    np.testing.assert_allclose(known.theta, found, rtol=1e-6)
    np.testing.assert_allclose(known.covariance, covariance, rtol=1e-5)
    assert (known.reference, known.scale) == ("normal", 1.0)
    relative = curve_fit(decay, START, X, Y, weights=7.0 / sigma**2)
    np.testing.assert_allclose(relative.theta, known.theta, rtol=1e-9)
    np.testing.assert_allclose(relative.covariance, by_scipy(sigma)[1], rtol=1e-5)
    without = curve_fit(decay, START, X, np.where(X == 4, 1e300, Y), weights=1.0 * (X != 4))
    dropped = curve_fit(decay, START, X, np.where(X == 4, np.nan, Y), missing="drop")
    np.testing.assert_allclose(without.covariance, dropped.covariance, rtol=1e-6)
    assert dropped.rows == without.rows == 19
    assert dropped.notes == ("1 of 20 rows dropped, in which y is missing",)


def test_a_bound_that_binds_is_said_and_holds():
    est = curve_fit(decay, START, X, Y, bounds={"c": (0.0, 0.45)})
    assert est.outcome == "at a bound"
    assert est.params["c"] == 0.45
    assert np.isnan(est.stderr["c"])
    assert any("c: at a bound" in note for note in est.notes)
    held = curve_fit(decay, {"a": 1.0, "b": 1.0, "c": 0.45}, X, Y, fixed=["c"])
    assert held.names == ("a", "b")
    np.testing.assert_allclose(est.theta[:2], held.theta, rtol=1e-8)
    np.testing.assert_allclose(est.errors[:2], held.errors, rtol=1e-7)
    assert np.isnan(held.stderr["c"])
    assert held.params["c"] == 0.45
    trees = curve_fit(decay, START, X, Y, bounds=(0.0, {"a": 9.0, "b": 9.0, "c": 0.45}))
    np.testing.assert_array_equal(trees.theta, est.theta)


def test_transforms_change_the_way_and_the_intervals_alone(fitted):
    est = curve_fit(decay, START, X, Y, transforms={"b": pj.estimate.positive})
    np.testing.assert_allclose(est.theta, fitted.theta, rtol=1e-9)
    np.testing.assert_allclose(est.covariance, fitted.covariance, rtol=1e-7)
    b, half = est.params["b"], special.stdtrit(17, 0.975) * est.errors[1] / est.params["b"]
    low, high = est.interval(0.95)
    np.testing.assert_allclose([low["b"], high["b"]], b * np.exp([-half, half]), rtol=1e-9)
    assert low["a"] == pytest.approx(fitted.interval(0.95).low["a"])


@pytest.mark.parametrize(
    ("loss", "name"),
    [("huber", "huber"), pytest.param("soft_l1", "soft_l1", marks=pytest.mark.slow),
     pytest.param("cauchy", "cauchy", marks=pytest.mark.slow)],
)  # fmt: skip
def test_robust_losses_are_those_of_scipy(loss, name):
    y = np.where(X == 3, Y + 5.0, Y)
    est = curve_fit(decay, START, X, y, loss=getattr(pj.estimate, loss)(0.1))
    theirs = optimize.least_squares(
        lambda b: y - b[0] * np.exp(-b[1] * X) - b[2], [3, 0.2, 0.5], loss=name, f_scale=0.1,
        xtol=1e-15, ftol=1e-15, gtol=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(est.theta, theirs.x, rtol=1e-5)
    assert est.value == pytest.approx(2 * theirs.cost)
    assert est.covariance_kind == "sandwich"
    assert abs(est.params["a"] - 3.0) < 0.2  # a plain fit is drawn to the outlier by 1


@pytest.mark.slow
def test_a_loss_that_sees_outliers_alone_starts_from_least_squares():
    est = curve_fit(decay, START, X, Y, loss=pj.estimate.tukey(0.2))
    assert est.outcome == "converged"
    assert any("least squares" in note for note in est.notes)


def test_of_several_starts_the_best_is_kept():
    wave = lambda params, x: jnp.sin(params["f"] * x)
    y = np.sin(1.3 * X)
    est = curve_fit(wave, {"f": 0.4}, X, y, starts={"f": np.linspace(0.2, 2.0, 40)})
    assert est.params["f"] == pytest.approx(1.3, abs=1e-9)
    (note,) = [note for note in est.notes if "starts reach the best" in note]
    assert int(note.split()[-2]) > 1  # a sine has many optima
    with pytest.raises(TypeError, match="starts: expected a key"):
        curve_fit(wave, {"f": 0.4}, X, y, starts=3)


def test_what_data_do_not_determine_is_named():
    est = curve_fit(
        lambda params, x: params["c"] + params["d"] + 0 * x, {"c": 0.0, "d": 1.0, "e": 2.0}, X, Y
    )
    assert est.outcome == "singular"
    assert np.isnan(est.errors).all()
    assert any("e: does not enter" in note for note in est.notes)
    assert any("c, d: the data determine only a combination" in note for note in est.notes)
    assert est.params["c"] + est.params["d"] == pytest.approx(Y.mean())
    assert est.dof == 19


@pytest.mark.slow
def test_rosenbrock_has_its_minimum_and_no_errors():
    def rows(params, data):
        return jnp.stack([10 * (params["y"] - params["x"] ** 2), 1 - params["x"]])

    est = least_squares(rows, {"x": -1.2, "y": 1.0})
    np.testing.assert_allclose(est.theta, 1.0, rtol=1e-12)
    assert np.isnan(est.errors).all()
    assert "as many parameters as rows" in est.notes[0]


def changed(**options):
    return {"predict_fn": decay, "params0": START, "x": X, "y": Y, **options}


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        (changed(x=X[:2], y=Y[:2]), ValueError, r"2 rows for 3 parameters \(a, b, c\)"),
        (changed(bounds={"a": (2, 3)}), ValueError, "between the bounds 2 and 3, got a = 1"),
        (changed(bounds={"a": (3, 2)}), ValueError, "low < high for a"),
        (changed(bounds={"aa": (0, 3)}), ValueError, "unknown parameter 'aa'; nearest: a"),
        (changed(bounds=3), TypeError, "bounds: expected {name"),
        (changed(transforms={"a": 3}), TypeError, "transforms: expected"),
        (changed(fixed=["a", "b", "c"]), ValueError, "all are fixed"),
        (changed(y=np.where(X > 4, np.nan, Y)), ValueError, "15 rows of y are missing.* row 5"),
        (changed(y=np.array(["a"] * 20)), TypeError, "expected numbers, got .* at y"),
        (changed(y=Y[:, None]), ValueError, r"y: expected \[n\]"),
        (changed(missing="omit"), ValueError, 'missing: expected "raise"'),
        (changed(weights=np.ones(3)), ValueError, "weights: .* 20 residuals, got shape"),
        (changed(weights=-np.ones(20)), ValueError, "weights: expected finite numbers from 0"),
        (changed(sigma=0.0), ValueError, "sigma: expected finite numbers above 0"),
        (changed(weights=Y, sigma=1.0), ValueError, "weights or sigma, got both"),
        (changed(loss="huber"), TypeError, "loss: expected a function"),
        (changed(predict_fn=lambda p: p), TypeError, r"expected a function \(params, x\)"),
        (changed(predict_fn=lambda p, x: decay(p, x)[1:]), ValueError, r"got float64\[19\]"),
        (
            changed(predict_fn=lambda p, x: decay(p, x).astype(jnp.float32)),
            TypeError,
            "expected float64 predictions, got float32",
        ),
        (changed(predict_fn=lambda p, x: np.exp(p["a"]) * x), TypeError, "write jnp.exp"),
    ],
)
def test_refuses_by_name(options, error, match):
    with pytest.raises(error, match=match):
        curve_fit(**options)


def test_names_the_row_that_is_not_finite_at_the_start():
    with pytest.raises(ValueError, match="4 residuals are not finite at the start.* row 0"):
        curve_fit(lambda p, x: p["a"] * jnp.log(x - p["b"]), {"a": 1.0, "b": 3.0}, X, Y)
    with pytest.raises(ValueError, match="residuals \\[n\\], got float64\\[\\]"):
        least_squares(lambda p, data: jnp.sum(p - data), 1.0, X)
    with pytest.raises(ValueError, match="huber|scale: expected a number above 0"):
        pj.estimate.huber(0.0)
