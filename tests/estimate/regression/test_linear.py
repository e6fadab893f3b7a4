"""Linear regression: NIST's certified tables, exact rational arithmetic, statsmodels, R's rules."""

from fractions import Fraction

import jax
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.linear_model import Ridge

import paramjax as pj
from tests.support.certified_linear import PROBLEMS, digits

N = 40


def exact(X, y):
    """Least squares of the very doubles, in rational arithmetic."""
    X, y = [[Fraction(v) for v in row] for row in X], [Fraction(v) for v in y]
    p = len(X[0])
    rows = [
        [sum(r[i] * r[j] for r in X) for j in range(p)]
        + [sum(r[i] * v for r, v in zip(X, y, strict=True))]
        for i in range(p)
    ]
    for i in range(p):
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for k in set(range(p)) - {i}:
            rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i], strict=True)]
    return [float(row[-1]) for row in rows]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 3)) * [1, 100, 0.01] + [0, 50, 3]
    return X, X @ [1, 0.1, 30] + rng.normal(size=N), rng.uniform(0.1, 3, size=N)


# Filip's powers to the tenth are rounded to doubles before we see them, which its condition
# number of 5e9 (of scaled columns) magnifies; of those doubles the answer is exact, see below
@pytest.mark.parametrize("name", PROBLEMS)
def test_certified_tables_are_met_to_the_digits_of_doubles(name):
    problem = PROBLEMS[name]
    est = pj.estimate.linear(problem.X, problem.y, intercept=problem.intercept)
    least = 7 if name == "Filip" else 13  # decimals of y are rounded, too
    assert est.outcome == "converged"
    assert digits(est.theta, problem.coefficients) >= least
    assert digits(est.errors, problem.errors) >= min(least, 12)
    assert digits(est.value, problem.rss) >= (9 if name == "Filip" else 13)
    assert digits(est.statistics["R-squared"], problem.r_squared) >= min(11, 4 + least)
    if problem.rss == 0:
        assert "exact to rounding" in est.notes[0]
        assert "F" not in est.statistics


@pytest.mark.parametrize("name", ["Longley", "Filip", "Wampler5"])
def test_nearly_singular_problems_are_solved_to_the_last_digit(name):
    problem = PROBLEMS[name]
    X = np.column_stack([np.ones(len(problem.y)), problem.X])
    est = pj.estimate.linear(problem.X, problem.y)
    np.testing.assert_allclose(est.theta, exact(X, problem.y), rtol=4e-16)
    # with weights that are no squares the answer is that of those weights, too
    weights = np.linspace(1, 3, len(problem.y))
    est = pj.estimate.linear(problem.X, problem.y, weights=weights)
    rows = [[Fraction(v) * Fraction(w) for v in row] for row, w in zip(X, weights, strict=True)]
    p = X.shape[1]
    gram = [[sum(a[i] * Fraction(b[j]) for a, b in zip(rows, X, strict=True)) for j in range(p)]
            for i in range(p)]  # fmt: skip
    right = [sum(a[i] * Fraction(v) for a, v in zip(rows, problem.y, strict=True))
             for i in range(p)]  # fmt: skip
    found = [Fraction(v) for v in est.theta]
    for row, value in zip(gram, right, strict=True):
        terms = [a * b for a, b in zip(row, found, strict=True)]
        assert abs(sum(terms) - value) <= 1e-15 * sum(map(abs, terms))


@pytest.mark.parametrize("weighted", [False, True])
def test_it_equals_statsmodels(table, weighted):
    X, y, weights = table
    full = sm.add_constant(X)
    other = (sm.WLS(y, full, weights=weights) if weighted else sm.OLS(y, full)).fit()
    est = pj.estimate.linear(X, y, weights=weights if weighted else None)
    np.testing.assert_allclose(est.theta, other.params, rtol=1e-9)
    np.testing.assert_allclose(est.covariance, other.cov_params(), rtol=1e-9)
    low, high = est.interval(0.9)
    np.testing.assert_allclose([*low.values()], other.conf_int(0.1)[:, 0], rtol=1e-9)
    np.testing.assert_allclose([*high.values()], other.conf_int(0.1)[:, 1], rtol=1e-9)
    figures = {
        "R-squared": other.rsquared,
        "adjusted R-squared": other.rsquared_adj,
        "F": other.fvalue,
        "F p-value": other.f_pvalue,
        "log likelihood": other.llf,
        "AIC": other.aic,
        "BIC": other.bic,
    }
    assert list(est.statistics)[:-1] == list(figures)
    for name, value in figures.items():
        assert est.statistics[name] == pytest.approx(value, rel=1e-9), name
    assert (est.rows, est.dof, est.names[0]) == (N, N - 4, "intercept")


def test_without_intercept_the_total_is_about_zero_unless_columns_add_up_to_one(table):
    X, y, _ = table
    groups = np.eye(3)[np.arange(N) % 3]
    for columns in (X, np.column_stack([X, groups]), sm.add_constant(X)):
        est, other = pj.estimate.linear(columns, y, intercept=False), sm.OLS(y, columns).fit()
        assert est.statistics["R-squared"] == pytest.approx(other.rsquared, rel=1e-9)
        assert est.statistics["F"] == pytest.approx(other.fvalue, rel=1e-9)


def test_ridge_equals_scikit_learn_and_its_formulas(table):
    X, y, _ = table
    other = Ridge(alpha=2.5, tol=1e-12).fit(X, y)
    est = pj.estimate.linear(X, y, ridge=2.5)
    np.testing.assert_allclose(est.theta, [other.intercept_, *other.coef_], rtol=1e-9)
    full = sm.add_constant(X)
    inverse = np.linalg.inv(full.T @ full + np.diag([0, 2.5, 2.5, 2.5]))
    freedom = np.trace(inverse @ full.T @ full)
    np.testing.assert_allclose(
        est.covariance, est.scale * inverse @ full.T @ full @ inverse, rtol=1e-7
    )
    assert est.scale == pytest.approx(est.value / (N - freedom))
    assert f"Effective coefficients: {freedom:.2f}" in est.notes[-1]
    assert "F" not in est.statistics
    few = pj.estimate.linear(X[:3], y[:3], ridge=1.0)  # fewer rows than columns
    assert np.isfinite(few.theta).all()


def test_collinear_columns_are_named_and_left_out_as_in_r(table):
    X, y, _ = table
    columns = {
        "age": X[:, 0],
        "dose": X[:, 1],
        "sum": 2 * X[:, 0] + X[:, 1],
        "rest": X[:, 2],
        "five": np.full(N, 5.0),
        "zero": np.zeros(N),
    }
    est = pj.estimate.linear(columns, y)
    assert est.outcome == "singular"
    assert "sum = 2 age + dose; five = 5 intercept; zero = 0" in est.notes[0]
    aliased = ["sum", "five", "zero"]
    assert np.isnan([est.params[name] for name in aliased]).all()
    assert np.isnan([est.stderr[name] for name in aliased]).all()
    plain = pj.estimate.linear(X, y)
    kept = [0, 1, 2, 4]
    np.testing.assert_allclose(est.theta[kept], plain.theta, rtol=1e-9)
    np.testing.assert_allclose(est.errors[kept], plain.errors, rtol=1e-9)
    assert est.dof == plain.dof
    rows, _ = est.objective.evaluate(est.theta)  # a coefficient of NaN does not enter
    assert rows @ rows == pytest.approx(est.value)
    # standardising a column costs digits, by which it is no more explained exactly
    years = 2000 + 10 * X[:, [0, 2]]
    raw = np.column_stack([years, years.sum(axis=1)])
    standard = pj.estimate.linear((raw - raw.mean(axis=0)) / raw.std(axis=0), y)
    assert standard.outcome == "singular"
    assert np.isnan(standard.params["x3"])
    # a column that came in 32 bits is explained to 32 bits
    single = {"age": X[:, 0].astype(np.float32), "dose": X[:, 1].astype(np.float32)}
    single["third"] = single["age"] + single["dose"] / 3
    assert "third = age + 0.3333 dose" in pj.estimate.linear(single, y).notes[0]


def test_its_objective_is_solved_again(table):
    X, y, weights = table
    weights = np.where(np.arange(N) < 3, 0.0, weights)
    est = pj.estimate.linear(X, y, weights=weights)
    assert est.rows == N - 3
    drawn = np.random.default_rng(1).uniform(size=(2, N))
    solved = est.objective.solve_many(np.zeros((2, 4)), weights=drawn)
    for theta, weight in zip(solved.theta, drawn, strict=True):
        np.testing.assert_allclose(theta, pj.estimate.linear(X, y, weights=weight).theta, rtol=1e-9)
    held = est.objective.solve_many(
        np.full((1, 4), 2.0), free=np.array([[True, True, False, True]])
    )
    rest = pj.estimate.linear(X[:, [0, 2]], y - 2.0 * X[:, 1], weights=weights)
    np.testing.assert_allclose(held.theta[0], np.insert(rest.theta, 2, 2.0), rtol=1e-8)


@pytest.mark.slow
def test_its_objective_predicts_and_simulates(table):
    X, y, weights = table
    weights = np.where(np.arange(N) < 3, 0.0, weights)
    est = pj.estimate.linear(X, y, weights=weights)
    with jax.enable_x64(True):
        expected = est.theta[0] + X[:2] @ est.theta[1:]
        np.testing.assert_allclose(est.objective.predict(est.theta, X[:2]), expected)
        columns = {name: X[:2, at] for at, name in enumerate(est.names[1:])}
        np.testing.assert_allclose(est.objective.predict(est.theta, columns), expected)
        new = est.objective.simulate(jax.random.key(0), est.theta, est.objective.data)["y"]
    noise = (np.asarray(new) - est.theta[0] - X @ est.theta[1:])[3:]
    assert (noise**2 * weights[3:]).mean() == pytest.approx(est.scale, rel=0.6)


def test_tables_of_pandas_keep_their_names(table):
    X, y, _ = table
    frame = pd.DataFrame(X, columns=["b", "a", "c"]).assign(smokes=np.arange(N) % 3 == 0)
    frame["visits"] = pd.array(np.arange(N) % 5, dtype="Int64")
    est = pj.estimate.linear(frame, pd.Series(y))
    assert est.names == ("intercept", "b", "a", "c", "smokes", "visits")
    assert [*est.params] == [*est.names]
    np.testing.assert_allclose(
        est.theta, sm.OLS(y, sm.add_constant(frame.astype(float))).fit().params
    )
    frame.loc[[3, 7], "a"] = np.nan
    frame.loc[7, "visits"] = pd.NA
    with pytest.raises(ValueError, match=r"NaN in 2 of 40 rows \(in a, visits\): rows 3, 7"):
        pj.estimate.linear(frame, y)
    dropped = pj.estimate.linear(frame, y, missing="drop")
    assert dropped.rows == N - 2
    assert "2 of 40 rows dropped" in dropped.notes[0]


def test_as_many_rows_as_columns_leave_no_variance(table):
    X, y, _ = table
    est = pj.estimate.linear(X[:4], y[:4])
    assert np.isnan(est.errors).all()
    assert "no row is left" in est.notes[0]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"X": np.ones((3, 3))}, ValueError, "got 3 rows for 4 .intercept, x1, x2, x3.; leave"),
        ({"X": {"a": ["u", "v", "w"]}}, TypeError, "got <U1 such as u, v, w in column 'a'"),
        ({"X": {"a": [1, np.inf, 2]}}, ValueError, "got inf in row 1 of a"),
        ({"X": {"intercept": [1, 2, 3]}}, ValueError, "got 'intercept' twice"),
        ({"X": np.ones((3, 1, 1))}, ValueError, r"expected an array \[rows, columns\]"),
        ({"X": np.zeros(3), "intercept": False}, ValueError, "X: expected a column with entries"),
        ({"names": ["a", "b"]}, ValueError, "names: expected one for each of the 1 columns"),
        ({"y": [1.0, 2.0]}, ValueError, r"y: expected one number a row, \[3\], got"),
        ({"y": ["a", "b", "c"]}, TypeError, "y: expected real numbers"),
        ({"weights": [1, -1, 1]}, ValueError, "expected numbers from 0, got -1.0 in row 1"),
        ({"weights": [0, 0, 0]}, ValueError, "weights: expected some above 0"),
        ({"ridge": -1.0}, ValueError, "ridge: expected a finite number from 0, got -1.0"),
        ({"missing": "ignore"}, ValueError, "missing: expected"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(changes, error, message):
    arguments = {"X": [1.0, 2.0, 4.0], "y": [1.0, 3.0, 2.0], **changes}
    with pytest.raises(error, match=message):
        pj.estimate.linear(arguments.pop("X"), arguments.pop("y"), **arguments)


@pytest.mark.parametrize(("of_x", "of_y"), [(1e150, 1.0), (1e-150, 1.0), (1.0, 1e100)])
def test_units_do_not_matter(table, of_x, of_y):
    X, y, weights = table
    plain = pj.estimate.linear(X, y, weights=weights)
    est = pj.estimate.linear(X * of_x, y * of_y, weights=weights)
    units = of_y / np.array([1.0, of_x, of_x, of_x])
    np.testing.assert_allclose(est.theta, plain.theta * units, rtol=1e-12)
    np.testing.assert_allclose(est.errors, plain.errors * units, rtol=1e-10)
    assert est.statistics["F"] == pytest.approx(plain.statistics["F"])


@pytest.mark.slow
def test_a_bootstrap_of_collinear_columns_is_that_of_the_others(table):
    X, y, _ = table
    key = jax.random.key(0)
    plain = pj.estimate.linear(X, y)
    double = pj.estimate.linear(np.column_stack([X, 2 * X[:, 0]]), y)
    kept, all_ = (pj.estimate.bootstrap(est, key, 200) for est in (plain, double))
    assert not all_.failed
    np.testing.assert_allclose([*all_.stderr.values()], [*kept.stderr.values(), np.nan], rtol=1e-9)
    np.testing.assert_allclose(
        [*all_.interval(method="bca").low.values()],
        [*kept.interval(method="bca").low.values(), np.nan],
        rtol=1e-9,
    )
    with pytest.raises(ValueError, match="expected an estimate without ridge"):
        pj.estimate.profile(pj.estimate.linear(X, y, ridge=1.0))


def test_a_table_without_columns_has_the_mean_alone(table):
    _, y, weights = table
    for X in (np.zeros((N, 0)), pd.DataFrame(index=range(N))):
        est = pj.estimate.linear(X, y, weights=weights)
        mean = np.average(y, weights=weights)
        assert est.params["intercept"] == pytest.approx(mean, rel=1e-14)
        error = np.sqrt(weights @ (y - mean) ** 2 / (N - 1) / weights.sum())
        assert est.stderr["intercept"] == pytest.approx(error, rel=1e-13)
    with pytest.raises(ValueError, match="rows of 0 columns"):
        pj.estimate.linear(np.zeros((N, 0)), y, intercept=False)


def test_squares_beyond_64_bits_are_refused_or_said(table):
    X, y, _ = table
    with pytest.raises(ValueError, match=r"y: expected numbers of sizes.*other units"):
        pj.estimate.linear(X, 1e-170 * y)
    with pytest.raises(ValueError, match=r"column 'x2': expected numbers of sizes"):
        pj.estimate.linear(X * [1, 1e160, 1], y)
    est = pj.estimate.linear(X * [1, 1e100, 1], 1e-100 * y)  # a variance of 1e-400
    assert np.isnan(est.stderr["x2"])
    assert est.stderr["x1"] > 0
    assert "x2: the variance is beyond the numbers of 64 bits" in est.notes[-1]


def test_many_rows_are_right_to_the_last_digits():
    rng = np.random.default_rng(1)
    n = 33_000  # the sizes where columns are made orthogonal by products
    year = rng.uniform(1900, 2000, n).round()
    X = np.column_stack([year, year**2, rng.integers(-3, 4, n)])
    y = 0.5 * year - 3 * X[:, 2] + rng.integers(-8, 9, n)
    est = pj.estimate.linear(X, y)
    whole = [[int(v) for v in row] for row in np.column_stack([np.ones(n), X])]
    columns = list(zip(*whole, strict=True))
    twice = [int(2 * v) for v in y]
    gram = [[Fraction(sum(map(int.__mul__, a, b))) for b in columns] for a in columns]
    right = [Fraction(sum(map(int.__mul__, a, twice)), 2) for a in columns]
    for i in range(4):
        pivot = gram[i][i]
        for k in range(i + 1, 4):
            factor = gram[k][i] / pivot
            gram[k] = [a - factor * b for a, b in zip(gram[k], gram[i], strict=True)]
            right[k] -= factor * right[i]
    truth = np.zeros(4, object)
    for i in reversed(range(4)):
        rest = sum(gram[i][k] * truth[k] for k in range(i + 1, 4))
        truth[i] = (right[i] - rest) / gram[i][i]
    np.testing.assert_allclose(est.theta, truth.astype(float), rtol=1e-14)


def test_rows_of_other_labels_are_refused(table):
    X, y, _ = table
    frame = pd.DataFrame(X)
    for fit in (pj.estimate.linear, pj.estimate.logistic, pj.estimate.poisson):
        with pytest.raises(ValueError, match="y: expected the index of X"):
            fit(frame.iloc[::-1], pd.Series(y > 0).astype(float))
    pj.estimate.linear(frame.iloc[::-1], y)
