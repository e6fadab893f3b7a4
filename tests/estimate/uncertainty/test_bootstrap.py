"""The bootstrap beside scipy's, closed forms of its variance, and what fails."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import gammaln
from scipy import stats

import paramjax as pj

KEY = jax.random.key(0)
SKEW = np.exp(np.linspace(-1.5, 2.0, 24))
X = np.linspace(0, 1, 12) ** 2
Y = 1 + 2 * X + 0.1 * np.sin(17 * X)


def level(params, data):
    return data - params["m"]


def line(params, x):
    return params["a"] + params["b"] * x


@pytest.fixture(scope="module")
def mean():
    return pj.estimate.least_squares(level, {"m": 1.0}, SKEW)


@pytest.fixture(scope="module")
def cases(mean):
    return pj.estimate.bootstrap(mean, KEY, 8000)


def test_resampled_means_have_their_variance(cases, mean):
    assert cases.failed == {}
    assert cases.theta.shape == (8000, 1)
    assert cases.stderr["m"] == pytest.approx(SKEW.std() / np.sqrt(24), rel=0.03)
    assert abs(cases.bias["m"]) < 4 * cases.stderr["m"] / np.sqrt(8000)
    assert "standard error" in repr(cases)


@pytest.mark.parametrize("method", ["percentile", "basic", "bca"])
def test_intervals_are_those_of_scipy(cases, method):
    known = stats.bootstrap(
        (SKEW,), np.mean, n_resamples=20_000, method=method, confidence_level=0.9,
        random_state=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    found = cases.interval(0.9, method)
    width = known.high - known.low
    assert abs(found.low["m"] - known.low) < 0.03 * width  # the quantiles of 8,000 draws
    assert abs(found.high["m"] - known.high) < 0.03 * width


@pytest.mark.slow
def test_a_key_names_its_replicates(cases, mean):
    few = pj.estimate.bootstrap(mean, KEY, 50)
    np.testing.assert_allclose(few.theta, cases.theta[:50], rtol=1e-12)
    other = pj.estimate.bootstrap(mean, jax.random.key(1), 50)
    assert (other.theta != few.theta).all()


@pytest.mark.slow
def test_clusters_are_drawn_together(mean):
    clusters = np.repeat(np.arange(8), 3)
    found = pj.estimate.bootstrap(mean, KEY, 4000, clusters=clusters)
    middle = SKEW.reshape(8, 3).mean(axis=1)
    assert found.stderr["m"] == pytest.approx(middle.std() / np.sqrt(8), rel=0.05)
    assert (found.interval(method="bca").low["m"] < mean.theta).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["residual", "parametric"])
def test_new_errors_have_the_variance_of_least_squares(kind):
    weights = np.linspace(1, 4, 12)
    est = pj.estimate.curve_fit(line, {"a": 0.0, "b": 0.0}, X, Y, weights=weights)
    found = pj.estimate.bootstrap(est, KEY, 4000, kind)
    ratio = np.diag(found.covariance) / np.diag(est.covariance)
    # 4,000 replicates know a variance to 2 %; the pool of residuals has a variance of its own
    np.testing.assert_allclose(ratio, 1, rtol=0.1 if kind == "parametric" else 0.25)


@pytest.mark.slow
def test_a_simulated_likelihood_has_its_information():
    log_prob = lambda params, y: y * params["log"] - jnp.exp(params["log"]) - gammaln(y + 1)
    counts = np.tile([3.0, 5.0, 4.0], 10)

    def simulate(key, params, y):
        return jax.random.poisson(key, jnp.exp(params["log"]), y.shape).astype(float)

    est = pj.estimate.maximum_likelihood(log_prob, {"log": 1.0}, counts, simulate=simulate)
    found = pj.estimate.bootstrap(est, KEY, 2000, "parametric")
    assert found.stderr["log"] == pytest.approx(1 / np.sqrt(120), rel=0.06)
    with pytest.raises(ValueError, match='kind: expected "case" or "parametric"'):
        pj.estimate.bootstrap(est, KEY, 10, "residual")


def test_refits_that_fail_are_counted():
    """A row that is alone in its group is missing from (1 - 1/n)^n of the resamples."""
    group = np.zeros(12)
    group[3] = 1.0
    est = pj.estimate.curve_fit(
        lambda params, x: params["a"] + params["b"] * x, {"a": 0.0, "b": 0.0}, group, Y
    )
    found = pj.estimate.bootstrap(est, KEY, 1000)
    missing = (1 - 1 / 12) ** 12
    assert found.failed["singular"] / 1000 == pytest.approx(missing, abs=0.06)
    assert np.isnan(found.theta).any(axis=1).sum() == found.failed["singular"]
    assert "of 1000 refits failed" in found.notes[0]
    assert "singular" in found.notes[0]


@pytest.mark.slow
def test_resamples_that_separate_the_classes_are_told():
    """Of six rows many resamples hold no overlap; their slopes grow until the sum is flat."""
    est = pj.estimate.logistic(np.arange(6.0)[:, None], np.array([0, 0, 1, 0, 1, 1.0]))
    found = pj.estimate.bootstrap(est, KEY, 200)
    assert found.failed or "x1" in "".join(found.notes)
    assert found.notes


def test_what_cannot_be_drawn_is_refused(mean, cases):
    robust = pj.estimate.least_squares(level, {"m": 1.0}, SKEW, loss=pj.estimate.huber(1.0))
    with pytest.raises(ValueError, match='kind: expected "case" or "residual" for a robust loss'):
        pj.estimate.bootstrap(robust, KEY, 10, "parametric")
    with pytest.raises(ValueError, match="profile: expected an estimate without a robust loss"):
        pj.estimate.profile(robust)
    with pytest.raises(ValueError, match="kind: expected case, residual or parametric"):
        pj.estimate.bootstrap(mean, KEY, 10, "rows")
    with pytest.raises(ValueError, match="clusters: expected a label for each of 24 rows"):
        pj.estimate.bootstrap(mean, KEY, 10, clusters=np.arange(5))
    with pytest.raises(ValueError, match="replicates"):
        pj.estimate.bootstrap(mean, KEY, 1)
    with pytest.raises(ValueError, match="method: expected percentile, basic or bca"):
        cases.interval(method="normal")
