"""Generalised linear models: closed forms, separation, refusals, simulation."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import paramjax as pj
from paramjax.estimate import (
    Outcome,
    gamma,
    logistic,
    multinomial,
    negative_binomial,
    poisson,
)

N = 30
X1 = np.linspace(-1.5, 1.5, N)
X2 = np.cos(3.0 * np.arange(N))
TABLE = {"dose": X1, "age": X2}
YES = np.sin(7.0 * np.arange(N)) + X1 > 0
COUNTS = np.round(3 + 2 * np.sin(5.0 * np.arange(N)) + X1)


@pytest.fixture(scope="module")
def plain():
    return logistic(TABLE, YES)


def test_two_groups_have_the_log_odds_of_their_shares():
    group, y = np.repeat([0.0, 1.0], [10, 20]), np.r_[np.ones(4), np.zeros(6), np.ones(15), [0] * 5]
    est = logistic({"group": group}, y)
    odds = np.log([4 / 6, 15 / 5])
    np.testing.assert_allclose(est.theta, [odds[0], odds[1] - odds[0]], rtol=1e-12)
    variances = [1 / 4 + 1 / 6, 1 / 4 + 1 / 6 + 1 / 15 + 1 / 5]
    np.testing.assert_allclose(est.errors**2, variances, rtol=1e-12)
    assert list(est.params) == ["intercept", "group"]


def test_forms_of_columns_and_responses_agree(plain):
    frame = pd.DataFrame(TABLE)
    labels = np.where(YES, "yes", "no")
    for X, y in (
        (np.stack([X1, X2], axis=1), YES.astype(int)),
        (frame, pd.Series(labels)),
        (frame, pd.Series(labels, dtype="category")),
        (frame, np.stack([YES, ~YES], axis=1)),
    ):
        found = logistic(X, y)
        np.testing.assert_allclose(found.theta, plain.theta, rtol=1e-10)
    assert "success is 'yes', the other class 'no'" in logistic(TABLE, labels).notes


def test_scale_and_shift_of_a_column_cost_no_digits(plain):
    found = logistic({"dose": 1e7 + 1e3 * X1, "age": 1e-6 * X2}, YES)
    np.testing.assert_allclose(found.theta[1:] * [1e3, 1e-6], plain.theta[1:], rtol=1e-8)
    np.testing.assert_allclose(found.errors[1:] * [1e3, 1e-6], plain.errors[1:], rtol=1e-8)


def test_complete_separation_names_the_column():
    found = logistic({"age": X2, "dose": X1}, X1 > 0.2)
    assert found.outcome is Outcome.SEPARATED
    assert any("Separation (complete): dose predicts" in note for note in found.notes)
    assert np.isnan(found.errors).all()


def test_quasi_complete_separation_leaves_the_others_their_estimates():
    flag = np.arange(N) % 5 == 0
    response = YES | flag
    found = logistic({"dose": X1, "flag": flag}, response)
    rest = logistic({"dose": X1[~flag]}, response[~flag])
    assert found.outcome is Outcome.SEPARATED
    assert any("(quasi-complete): flag predicts the response of 6 of 30" in n for n in found.notes)
    np.testing.assert_allclose(found.theta[:2], rest.theta, rtol=1e-6)
    np.testing.assert_allclose(found.errors[:2], rest.errors, rtol=1e-6)
    assert np.isnan(found.params["flag"]) or np.isnan(found.stderr["flag"])


def test_counts_and_classes_are_separated_too():
    flag = (np.arange(N) % 5 == 0).astype(float)
    found = poisson({"flag": flag, "dose": X1}, COUNTS * (1 - flag))
    assert found.outcome is Outcome.SEPARATED
    assert any("flag predicts the response of 6 of 30" in note for note in found.notes)
    np.testing.assert_array_equal(np.isnan(found.errors), [False, True, False])
    labels = np.where(X1 > 0.5, "c", np.where(YES, "b", "a"))
    found = multinomial(TABLE, labels)
    assert found.outcome is Outcome.SEPARATED
    assert any("c: dose predicts" in note for note in found.notes)


def test_collinear_columns_are_named_and_the_others_estimated(plain):
    found = logistic({**TABLE, "sum": X1 + 2 * X2, "one more": np.sin(np.arange(N))}, YES)
    assert found.outcome is Outcome.SINGULAR
    assert found.notes == ("Collinear columns: sum = dose + 2 age",)
    alone = logistic({**TABLE, "one more": np.sin(np.arange(N))}, YES)
    np.testing.assert_allclose(found.stderr["one more"], alone.stderr["one more"], rtol=1e-9)
    np.testing.assert_array_equal(np.isnan(found.errors), [False, True, True, True, False])


@pytest.mark.slow
def test_counts_without_excess_have_a_dispersion_at_its_bound():
    y = np.full(N, 4.0)
    y[::2] = 5.0
    found = negative_binomial({"dose": X1}, y)
    same = poisson({"dose": X1}, y)
    assert found.outcome is Outcome.AT_BOUND
    np.testing.assert_allclose(found.theta[:2], same.theta, rtol=1e-4)
    np.testing.assert_allclose(found.errors[:2], same.errors, rtol=1e-4)
    assert np.isnan(found.stderr["dispersion"])
    assert any("dispersion: at its bound" in note for note in found.notes)


@pytest.mark.slow
def test_gamma_of_groups_has_the_logs_of_their_means():
    y = np.array([1.0, 3.0, 2.0, 5.0, 11.0, 8.0])
    est = gamma({"group": [0, 0, 0, 1, 1, 1]}, y)
    means = np.array([2.0, 8.0])
    np.testing.assert_allclose(est.theta, [np.log(2.0), np.log(4.0)], rtol=1e-12)
    dispersion = (((y - np.repeat(means, 3)) / np.repeat(means, 3)) ** 2).sum() / 4
    np.testing.assert_allclose(est.errors**2, dispersion * np.array([1 / 3, 2 / 3]), rtol=1e-12)
    assert (est.reference, est.dof) == ("t", 4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("y", "reason"), [([1.0, 2.0, 4.0], "exact to rounding"), ([2.0, 5.0], "as many coefficients")]
)
def test_gamma_without_spread_has_no_standard_errors(y, reason):
    found = gamma(np.arange(len(y)), y)
    assert np.isnan(found.errors).all()
    assert any(reason in note for note in found.notes)


@pytest.mark.slow
def test_refits_with_other_weights_equal_single_fits(plain):
    counts = np.random.default_rng(0).integers(1, 4, (3, N)).astype(float)
    many = plain.objective.solve_many(np.tile(plain.theta, (3, 1)), weights=counts)
    assert set(many.outcome) == {Outcome.CONVERGED.code}
    for theta, weights in zip(many.theta, counts, strict=True):
        np.testing.assert_allclose(theta, logistic(TABLE, YES, weights=weights).theta, rtol=1e-9)


@pytest.mark.slow
def test_new_rows_are_predicted_from_arrays_and_tables(plain):
    rows = np.array([[0.5, -1.0], [0.0, 0.0]])
    chance = 1 / (1 + np.exp(-(plain.theta[0] + rows @ plain.theta[1:])))
    with jax.enable_x64(True):
        for x in (rows, {"age": rows[:, 1], "dose": rows[:, 0]}):
            predicted = plain.objective.predict(jnp.asarray(plain.theta), x)
            np.testing.assert_allclose(predicted, chance, rtol=1e-12)
    found = multinomial(TABLE, YES)
    np.testing.assert_allclose(found.theta, plain.theta, rtol=1e-10)
    with jax.enable_x64(True):
        both = found.objective.predict(jnp.asarray(found.theta), rows)
    np.testing.assert_allclose(both[:, 1], chance, rtol=1e-9)


def test_bands_of_a_mean_come_through_the_link(plain):
    rows = np.array([[0.5, -1.0], [30.0, 0.0]])
    band = pj.estimate.predict(plain, rows, level=0.95)
    design = np.column_stack([np.ones(2), rows])
    eta = design @ plain.theta
    error = np.sqrt(np.einsum("ij,jk,ik->i", design, plain.covariance, design))
    chance = lambda z: 1 / (1 + np.exp(-z))
    half = 1.959963984540054 * error
    np.testing.assert_allclose(band.low, chance(eta - half), rtol=1e-9)
    np.testing.assert_allclose(band.high, chance(eta + half), rtol=1e-9)
    slope = chance(eta) * (1 - chance(eta))
    np.testing.assert_allclose(band.stderr, slope * error, rtol=1e-6)
    both = pj.estimate.predict(multinomial(TABLE, YES), rows)
    np.testing.assert_allclose(both.low[:, 1], band.low, rtol=1e-8)
    np.testing.assert_allclose(both.high[:, 0], 1 - band.low, rtol=1e-6, atol=1e-14)


SIMULATED = {
    "logistic": lambda mean, theta: mean * (1 - mean),
    "poisson": lambda mean, theta: mean,
    "gamma": lambda mean, theta: mean**2 * 0.25,
    "negative_binomial": lambda mean, theta: mean + np.exp(theta[-1]) * mean**2,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SIMULATED))
def test_simulated_responses_have_the_mean_and_the_variance_of_the_model(name):
    y = {"logistic": YES, "gamma": COUNTS + 0.5}.get(name, COUNTS)
    est = getattr(pj.estimate, name)(TABLE, y)
    theta, draws = est.parameters.to_solver(est.theta), 4000
    data = dict(est.objective.data)
    if name == "gamma":
        data["dispersion"] = np.full(N, 0.25)
    with jax.enable_x64(True):
        mean = np.asarray(est.objective.predict(jnp.asarray(theta), TABLE))
        keys = jax.random.split(jax.random.key(0), draws)
        simulate = jax.jit(jax.vmap(lambda k: est.objective.simulate(k, theta, data)["y"]))
        drawn = np.asarray(simulate(keys))
    variance = SIMULATED[name](mean, theta)
    z = (drawn.mean(axis=0) - mean) / np.sqrt(variance / draws)
    assert np.abs(z).max() < 4.5
    np.testing.assert_allclose(drawn.var(axis=0), variance, rtol=0.25)


@pytest.mark.parametrize(
    ("fit", "error", "match"),
    [
        (
            lambda: logistic(TABLE, np.zeros(N)),
            ValueError,
            "expected both classes, 0 and 1, got on",
        ),
        (lambda: logistic(TABLE, ["no"] * N), ValueError, "expected two classes; got 1: 'no'"),
        (lambda: logistic(TABLE, np.arange(N)), ValueError, "use multinomial; got 30"),
        (lambda: logistic(TABLE, YES[:3]), ValueError, "expected one response a row, 30, got 3"),
        (lambda: logistic(TABLE, YES, weights=X1), ValueError, r"weights: .* got -1.5 in row 0"),
        (lambda: logistic(TABLE, YES, weights=0 * X1), ValueError, "weights: expected some above"),
        (lambda: logistic(TABLE, YES, information="?"), ValueError, "information: expected"),
        (lambda: logistic({"x": X1[:1]}, [1]), ValueError, "got 1 rows for 2 coefficients"),
        (
            lambda: logistic({"x": np.where(X1 > 1, np.nan, X1)}, YES),
            ValueError,
            r"NaN in 5 of 30 rows \(in x\)",
        ),
        (lambda: poisson(TABLE, X1), ValueError, r"expected numbers from 0, got -1.5 in row 0"),
        (lambda: poisson(TABLE, np.zeros(N)), ValueError, "expected some counts above 0"),
        (lambda: poisson(TABLE, COUNTS, exposure=X1), ValueError, "exposure: .* -1.5 in row 0"),
        (lambda: gamma(TABLE, COUNTS * 0), ValueError, "y: expected numbers above 0, got 0 in row"),
        (lambda: gamma(TABLE, np.ones(N)), ValueError, "expected responses that differ, got 1"),
        (lambda: gamma(TABLE, COUNTS, link="root"), ValueError, "link: expected"),
        (lambda: negative_binomial(TABLE, X1 + 2), ValueError, "expected whole numbers from 0"),
        (lambda: negative_binomial({"dispersion": X1}, COUNTS), ValueError, "no column called"),
        (lambda: multinomial(TABLE, ["a"] * N), ValueError, "at least two classes, got 1"),
        (lambda: multinomial(TABLE, [1, "a"] * (N // 2)), TypeError, "classes of one type"),
    ],
)
def test_bad_input_is_named(fit, error, match):
    with pytest.raises(error, match=match):
        fit()


def test_missing_rows_are_dropped_and_counted(plain):
    gappy = {"dose": np.append(X1, np.nan), "age": np.append(X2, 0.0)}
    found = logistic(gappy, [*np.where(YES, "b", "a"), None], missing="drop")
    np.testing.assert_allclose(found.theta, plain.theta, rtol=1e-14)
    assert found.notes[0].startswith("1 of 31 rows dropped for missing values (in dose, y)")


@pytest.mark.slow
def test_separation_among_many_rows_is_found_where_the_likelihood_is_flat():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 60))
    rare = rng.random((2, 4000)) < 0.01
    y = ((X[:, 0] + rng.logistic(size=4000) > 0) | rare[0]) & ~rare[1]
    found = logistic(
        {
            "a": X[:, 0],
            "up": rare[0] & ~rare[1],
            "down": rare[1],
            **dict(zip(map(str, range(59)), X.T[1:], strict=True)),
        },
        y,
    )
    certain = rare.any(axis=0)
    assert found.outcome is Outcome.SEPARATED
    assert f"up, down predict the response of {certain.sum()} of 4000" in found.notes[0]
    rest = logistic(
        {"a": X[~certain, 0], **dict(zip(map(str, range(59)), X[~certain].T[1:], strict=True))},
        y[~certain],
    )
    np.testing.assert_allclose(found.params["a"], rest.params["a"], rtol=1e-8)
    np.testing.assert_allclose(found.stderr["a"], rest.stderr["a"], rtol=1e-8)
