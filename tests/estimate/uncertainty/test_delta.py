"""The delta method beside closed forms; what has no standard error carries none over."""

import jax.numpy as jnp
import numpy as np
import pytest

import paramjax as pj

X = np.linspace(0, 1, 12)
Y = 1 + 2 * X + 0.1 * np.sin(17 * X)


def line(params, x):
    return params["a"] + params["b"] * x


@pytest.fixture(scope="module")
def est():
    return pj.estimate.curve_fit(line, {"a": 0.0, "b": 0.0}, X, Y)


def test_a_ratio_has_the_variance_of_its_linearisation(est):
    found = pj.estimate.delta(
        est, lambda params: {"root": params["a"] / params["b"], "all": params}
    )
    a, b = est.theta
    slope = np.array([1 / b, -a / b**2])
    error = np.sqrt(slope @ est.covariance @ slope)
    assert found.value["root"] == pytest.approx(a / b, rel=1e-14)
    assert found.stderr["root"] == pytest.approx(error, rel=1e-12)
    np.testing.assert_allclose(found.covariance[:2, :2], est.covariance, rtol=1e-12)
    low, high = found.interval(0.9)
    wald = est.interval(0.9)
    np.testing.assert_allclose(low["all"]["b"], wald.low["b"], rtol=1e-12)
    np.testing.assert_allclose(high["root"] - low["root"], 2 * est.quantile(0.95) * error)
    assert "standard error" in repr(found)
    with pytest.raises(ValueError, match="level: expected a number in"):
        found.interval(95)


def test_what_depends_on_an_undetermined_parameter_has_no_error():
    idle = pj.estimate.curve_fit(
        lambda params, x: params["a"] + params["b"] * x + 0 * params["c"],
        {"a": 0.0, "b": 0.0, "c": 1.0}, X, Y,
    )  # fmt: skip
    found = pj.estimate.delta(idle, lambda params: (2 * params["b"], params["b"] + params["c"]))
    assert found.stderr[0] == pytest.approx(2 * idle.stderr["b"])
    assert np.isnan(found.stderr[1])
    assert np.isnan(idle.stderr["c"])
    assert any("c: does not enter" in note for note in idle.notes)


def test_a_fixed_parameter_counts_as_known():
    held = pj.estimate.curve_fit(line, {"a": 1.0, "b": 0.0}, X, Y, fixed=["a"])
    found = pj.estimate.delta(held, lambda params: params["a"] * params["b"])
    assert found.stderr == pytest.approx(held.stderr["b"])


def test_a_function_that_gives_no_numbers_is_refused(est):
    with pytest.raises(TypeError, match="fn: expected floating-point numbers"):
        pj.estimate.delta(est, lambda params: jnp.argmax(params["a"]))
