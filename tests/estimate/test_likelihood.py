"""Maximum likelihood against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import paramjax as pj
from paramjax.estimate import Outcome, maximum_likelihood

Y = np.random.default_rng(0).normal(3.0, 2.0, 40)
START = {"mean": 0.0, "sd": 1.0}
SD = {"sd": pj.estimate.positive}


def normal(params, y):
    """Of a normal distribution, and of nothing else."""
    z = (y - params["mean"]) / params["sd"]
    return -0.5 * z**2 - jnp.log(params["sd"]) - 0.5 * jnp.log(2 * jnp.pi)


def shifted(params, y):
    """Two parameters of which only the sum enters, and one that does not."""
    return -0.5 * (y - params["a"] - params["b"]) ** 2 + 0.0 * params["c"]


def of_column(params, table):
    return normal(params, table["y"])


def simulate(key, params, y):
    return params["mean"] + params["sd"] * jax.random.normal(key, y.shape, y.dtype)


@pytest.fixture(scope="module")
def est():
    return maximum_likelihood(normal, START, Y, transforms=SD, simulate=simulate)


def test_normal_distribution_has_its_closed_form(est):
    n, sd = len(Y), Y.std()
    assert est.outcome is Outcome.CONVERGED
    np.testing.assert_allclose(est.theta, [Y.mean(), sd], rtol=1e-13)
    np.testing.assert_allclose(est.errors, [sd / n**0.5, sd / (2 * n) ** 0.5], rtol=1e-12)
    best = -n * (np.log(sd) + 0.5 * np.log(2 * np.pi) + 0.5)
    np.testing.assert_allclose(est.value, best, rtol=1e-14)
    np.testing.assert_allclose(est.statistics["AIC"], 4 - 2 * best, rtol=1e-14)
    np.testing.assert_allclose(est.statistics["BIC"], 2 * np.log(n) - 2 * best, rtol=1e-14)
    assert (est.rows, est.dof, est.reference) == (n, n - 2, "normal")


def test_interval_is_made_on_the_scale_of_the_transform(est):
    low, high = est.interval(0.95)
    factor = np.exp(1.959963984540054 / (2 * len(Y)) ** 0.5)
    np.testing.assert_allclose([low["sd"], high["sd"]], [Y.std() / factor, Y.std() * factor])


def test_new_responses_follow_the_estimate(est):
    with jax.enable_x64(True):
        theta = est.parameters.to_solver(est.theta)
        key, zeros = jax.random.key(0), jnp.zeros(4000)
        new = np.asarray(est.objective.simulate(key, jnp.asarray(theta), zeros))
    assert abs(new.mean() - Y.mean()) < 5 * Y.std() / 4000**0.5
    assert abs(new.std() / Y.std() - 1) < 5 / 8000**0.5


def test_weights_count_rows():
    counts = np.arange(len(Y)) % 3
    weighted = maximum_likelihood(normal, START, Y, transforms=SD, weights=counts)
    repeated = np.repeat(Y, counts)
    assert weighted.rows == len(repeated)
    np.testing.assert_allclose(weighted.theta, [repeated.mean(), repeated.std()], rtol=1e-13)
    np.testing.assert_allclose(weighted.errors[0], repeated.std() / len(repeated) ** 0.5)


def test_scores_give_the_outer_product_of_gradients():
    found = maximum_likelihood(normal, START, Y, transforms=SD, information="scores")
    z, sd = (Y - Y.mean()) / Y.std(), Y.std()
    scores = np.stack([z / sd, (z**2 - 1) / sd], axis=1)
    np.testing.assert_allclose(found.covariance, np.linalg.inv(scores.T @ scores), rtol=1e-10)


def test_bound_holds_a_parameter_without_standard_error():
    found = maximum_likelihood(normal, START, Y, bounds={"sd": (0.1, 1.5)})
    assert found.outcome is Outcome.AT_BOUND
    np.testing.assert_allclose(found.theta, [Y.mean(), 1.5], rtol=1e-13)
    np.testing.assert_allclose(found.errors, [1.5 / len(Y) ** 0.5, np.nan], rtol=1e-12)
    assert "sd: at a bound" in found.notes[0]


def test_fixed_parameter_stays():
    found = maximum_likelihood(normal, {"mean": 0.0, "sd": 2.0}, Y, fixed=["sd"])
    np.testing.assert_allclose(found.params["mean"], Y.mean(), rtol=1e-13)
    np.testing.assert_allclose(found.errors, [2 / len(Y) ** 0.5], rtol=1e-12)


@pytest.mark.slow
def test_several_starts_agree():
    found = maximum_likelihood(normal, START, Y, transforms=SD, starts=3, key=jax.random.key(0))
    np.testing.assert_allclose(found.theta, [Y.mean(), Y.std()], rtol=1e-13)
    assert "4 of 4 starts reach the best of 1 optima" in found.notes


def test_undetermined_parameters_are_named():
    found = maximum_likelihood(shifted, {"a": 1.0, "b": 0.0, "c": 5.0}, Y)
    assert found.outcome is Outcome.SINGULAR
    assert np.isnan(found.errors).all()
    assert any("c: does not enter" in note for note in found.notes)
    assert any("a, b: the data determine only a combination" in note for note in found.notes)
    np.testing.assert_allclose(found.params["a"] + found.params["b"], Y.mean(), rtol=1e-12)


def test_likelihood_without_maximum_is_reported():
    def log_prob(params, x):
        odds = params["a"] + params["b"] * x
        return -jnp.logaddexp(0.0, jnp.where(x > 3.0, -odds, odds))  # x tells the class

    found = maximum_likelihood(log_prob, {"a": 0.0, "b": 0.0}, Y)
    assert found.outcome is Outcome.SEPARATED
    assert np.isnan(found.errors).all()
    assert "a, b: the likelihood rises without end" in found.notes[0]


@pytest.mark.slow
def test_lbfgs_finds_what_newton_finds(est):
    found = maximum_likelihood(normal, START, Y, transforms=SD, solver=pj.estimate.solvers.lbfgs)
    assert found.outcome is Outcome.CONVERGED
    np.testing.assert_allclose(found.theta, est.theta, rtol=1e-7)
    np.testing.assert_allclose(found.errors, est.errors, rtol=1e-6)
    bounds = {"sd": (0.1, 9.0)}
    with pytest.raises(ValueError, match="solver: expected parameters without bounds"):
        maximum_likelihood(normal, START, Y, bounds=bounds, solver=pj.estimate.solvers.lbfgs)


def test_rows_with_missing_values_are_refused_or_counted(est):
    gappy = np.append(Y, np.nan)
    with pytest.raises(ValueError, match=r"1 rows .* row 40"):
        maximum_likelihood(normal, START, gappy)
    found = maximum_likelihood(normal, START, gappy, transforms=SD, missing="drop")
    np.testing.assert_allclose(found.theta, est.theta, rtol=1e-14)
    table = maximum_likelihood(of_column, START, pd.DataFrame({"y": gappy}), missing="drop")
    np.testing.assert_allclose(table.theta, est.theta, rtol=1e-7)
    assert "1 of 41 rows dropped" in found.notes[0]


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"information": "expected"}, ValueError, 'information: expected "observed" or "scores"'),
        ({"weights": -np.ones(40)}, ValueError, r"weights: expected finite numbers .* in row 0"),
        ({"weights": np.ones(3)}, ValueError, "weights: expected one number for each of 40"),
        ({"data": Y[:1]}, ValueError, "expected at least as many rows as parameters, got 1"),
        ({"log_prob_fn": lambda p, y: normal(p, y).sum()}, ValueError, "do not sum them"),
        ({"log_prob_fn": lambda p, y: jnp.float32(normal(p, y))}, TypeError, "expected float64"),
        ({"params0": {"mean": 0.0, "sd": 0.0}}, ValueError, r"40 log probabilities are not finite"),
        ({"fixed": ["sdd"]}, ValueError, "sd"),
    ],
)
def test_bad_input_is_named(arguments, error, match):
    usual = {"log_prob_fn": normal, "params0": START, "data": Y}
    with pytest.raises(error, match=match):
        maximum_likelihood(**usual | arguments)


def test_equal_calls_trace_once(est):
    traced = []

    def counted(params, y):
        traced.append(1)
        return normal(params, y)

    first = maximum_likelihood(counted, START, Y, transforms=SD)
    count = len(traced)
    again = maximum_likelihood(counted, {"mean": 1.0, "sd": 3.0}, Y + 1.0, transforms=SD)
    assert len(traced) == count
    np.testing.assert_allclose(again.theta - first.theta, [1.0, 0.0], atol=1e-12)


@pytest.mark.slow
def test_a_parameter_that_grows_without_end_is_named_and_the_others_keep_their_errors():
    x = np.random.default_rng(5).normal(size=300)  # tails so thin that none is thin enough

    def student(params, x):
        nu, z = params["nu"], (x - params["mean"]) / params["spread"]
        ways = jax.lax.lgamma((nu + 1) / 2) - jax.lax.lgamma(nu / 2) - jnp.log(nu) / 2
        return ways - (nu + 1) / 2 * jnp.log1p(z**2 / nu) - jnp.log(params["spread"])

    transforms = {"nu": pj.estimate.positive, "spread": pj.estimate.positive}
    start = {"nu": 5.0, "mean": 0.0, "spread": 1.0}
    found = pj.estimate.maximum_likelihood(student, start, x, transforms=transforms)
    assert found.outcome == "separated"
    assert np.isnan(found.stderr["nu"])
    assert any(n.startswith("nu: the likelihood rises, or does not fall") for n in found.notes)
    # in the limit they are those of a normal distribution
    assert found.params["mean"] == pytest.approx(x.mean(), abs=1e-4)
    assert found.stderr["mean"] == pytest.approx(x.std() / np.sqrt(300), rel=1e-4)
    assert found.stderr["spread"] == pytest.approx(x.std() / np.sqrt(600), rel=1e-4)
