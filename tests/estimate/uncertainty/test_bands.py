"""Bands beside statsmodels, and beside Scheffé's closed form."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

import paramjax as pj

X = np.linspace(0, 1, 12)
Y = 1 + 2 * X + 0.1 * np.sin(17 * X)
NEW = np.array([-1.0, 0.3, 2.0])
START = {"a": 0.0, "b": 0.0}


def line(params, x):
    return params["a"] + params["b"] * x


@pytest.mark.parametrize("weights", [None, np.linspace(1, 3, 12)])
def test_bands_are_those_of_statsmodels(weights):
    est = pj.estimate.curve_fit(line, START, X, Y, weights=weights)
    known = sm.WLS(Y, sm.add_constant(X), weights=1.0 if weights is None else weights).fit()
    frame = known.get_prediction(sm.add_constant(NEW), weights=2.0).summary_frame(alpha=0.1)
    mean = pj.estimate.predict(est, NEW, 0.9)
    new = pj.estimate.predict(est, NEW, 0.9, "observation", weights=2.0)
    np.testing.assert_allclose(mean.mean, frame["mean"], rtol=1e-10)
    np.testing.assert_allclose(mean.stderr, frame["mean_se"], rtol=1e-9)
    np.testing.assert_allclose(mean.low, frame["mean_ci_lower"], rtol=1e-9)
    np.testing.assert_allclose(new.low, frame["obs_ci_lower"], rtol=1e-9)
    np.testing.assert_allclose(new.high, frame["obs_ci_upper"], rtol=1e-9)


def test_a_simultaneous_band_is_wider_by_scheffes_factor():
    est = pj.estimate.curve_fit(line, START, X, Y)
    one, all_ = (pj.estimate.predict(est, NEW, simultaneous=s) for s in (False, True))
    factor = np.sqrt(2 * stats.f.ppf(0.95, 2, 10)) / stats.t.ppf(0.975, 10)
    np.testing.assert_allclose((all_.high - all_.mean) / (one.high - one.mean), factor)


def test_what_has_no_band_is_refused():
    est = pj.estimate.curve_fit(line, START, X, Y, weights=np.ones(12))
    with pytest.raises(ValueError, match="weights: expected those of the new observations"):
        pj.estimate.predict(est, NEW, kind="observation")
    with pytest.raises(ValueError, match="kind: expected mean or observation, got 'median'"):
        pj.estimate.predict(est, NEW, kind="median")
    with pytest.raises(ValueError, match="simultaneous: expected the kind mean"):
        pj.estimate.predict(est, NEW, kind="observation", weights=1, simultaneous=True)
    with pytest.raises(ValueError, match="level: expected a number in"):
        pj.estimate.predict(est, NEW, 1.0)
    alone = pj.estimate.least_squares(lambda p, data: data - p["a"], {"a": 0.0}, Y)
    with pytest.raises(ValueError, match="predict: expected an estimate with a curve"):
        pj.estimate.predict(alone, NEW)
