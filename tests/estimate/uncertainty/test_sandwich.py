"""Robust standard errors beside statsmodels' and the formula."""

import jax.numpy as jnp
import numpy as np
import pytest
import statsmodels.api as sm

import paramjax as pj

N = 60


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 2)) * [1, 0.1] + [0, 3]
    y = X @ [1, 3] + rng.normal(size=N) * np.abs(X[:, 0])
    return X, y, rng.uniform(0.1, 3, size=N), rng.integers(0, 12, N)


@pytest.mark.parametrize("weighted", [False, True])
def test_linear_regressions_equal_statsmodels(table, weighted):
    X, y, weights, groups = table
    full = sm.add_constant(X)
    other = sm.WLS(y, full, weights=weights) if weighted else sm.OLS(y, full)
    est = pj.estimate.linear(X, y, weights=weights if weighted else None)
    for kind in ("HC0", "HC1", "HC2", "HC3"):
        found, expected = pj.estimate.robust(est, kind), other.fit(cov_type=kind)
        np.testing.assert_allclose(found.covariance, expected.cov_params(), rtol=1e-8)
        assert found.covariance_kind == kind
        assert found.statistics["F"] == pytest.approx(expected.fvalue, rel=1e-8)
        assert found.statistics["F p-value"] == pytest.approx(expected.f_pvalue, rel=1e-8)
    expected = other.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    labels = np.array([f"school {group}" for group in groups])
    found = pj.estimate.robust(est, clusters=labels)
    np.testing.assert_allclose(found.covariance, expected.cov_params(), rtol=1e-8)
    low, _ = found.interval()
    np.testing.assert_allclose([*low.values()], expected.conf_int()[:, 0], rtol=1e-8)
    assert (found.dof, found.covariance_kind) == (11, "HC1, 12 clusters")
    slopes = expected.f_test(np.eye(3)[1:])  # f_pvalue forgets the degrees of freedom here
    assert found.statistics["F p-value"] == pytest.approx(float(slopes.pvalue), rel=1e-8)
    assert "12 clusters are few" in found.notes[-1]


def test_likelihood_equals_statsmodels(table):
    X, _, weights, groups = table
    y = (weights > 1).astype(float)
    est, other = pj.estimate.logistic(X, y), sm.Logit(y, sm.add_constant(X))
    expected = other.fit(cov_type="HC0", disp=0, tol=1e-14).cov_params()
    np.testing.assert_allclose(pj.estimate.robust(est, "HC0").covariance, expected, rtol=1e-8)
    np.testing.assert_allclose(
        pj.estimate.robust(est, "HC1").covariance, expected * N / (N - 3), rtol=1e-8
    )
    clustered = other.fit(cov_type="cluster", cov_kwds={"groups": groups}, disp=0, tol=1e-14)
    found = pj.estimate.robust(est, clusters=groups)
    np.testing.assert_allclose(found.covariance, clustered.cov_params(), rtol=1e-8)
    with pytest.raises(ValueError, match="expected 'HC0' or 'HC1' for an estimate of maximum"):
        pj.estimate.robust(est, "HC3")
    with pytest.raises(ValueError, match="inverse information, got 'HC1, 12 clusters'"):
        pj.estimate.robust(found)


@pytest.mark.slow
def test_weights_of_a_likelihood_count_rows(table):
    X, _, weights, groups = table
    y = (weights > 1).astype(float)
    times = 1 + groups % 3  # a row of weight 2 is two rows, alone or in its cluster
    counted = pj.estimate.logistic(X, y, weights=times)
    repeated = pj.estimate.logistic(np.repeat(X, times, axis=0), np.repeat(y, times))
    for first, second in ((None, None), (groups, np.repeat(groups, times))):
        np.testing.assert_allclose(
            pj.estimate.robust(counted, clusters=first).covariance,
            pj.estimate.robust(repeated, clusters=second).covariance,
            rtol=1e-8,
        )


@pytest.mark.slow
def test_a_dispersion_does_not_matter(table):
    X, _, y, groups = table
    other = sm.GLM(y, sm.add_constant(X), family=sm.families.Gamma(sm.families.links.Log()))
    est = pj.estimate.gamma(X, y, information="observed")
    for kind, changes in (
        ({"cov_type": "HC0"}, {"kind": "HC0"}),
        ({"cov_type": "cluster", "cov_kwds": {"groups": groups}}, {"clusters": groups}),
    ):
        expected = other.fit(tol=1e-14, **kind).cov_params()
        found = pj.estimate.robust(est, **changes).covariance
        np.testing.assert_allclose(found, expected, rtol=1e-8)
    share = pj.estimate.influence(est).leverage
    np.testing.assert_allclose(share, other.fit(tol=1e-14).get_influence().hat_matrix_diag)


def curve(params, x):
    return params["a"] * jnp.exp(-params["b"] * x)


@pytest.mark.slow
def test_curves_follow_the_formula_on_the_users_scale():
    x = np.linspace(0, 4, 30)
    y = 3 * np.exp(-x) + 0.05 * (1 + x) * np.cos(40 * x)
    est = pj.estimate.curve_fit(
        curve, {"a": 1.0, "b": 1.0}, x, y, transforms={"b": pj.estimate.positive}
    )
    a, b = est.theta
    J = np.stack([np.exp(-b * x), -a * x * np.exp(-b * x)], axis=1)
    inverse = np.linalg.inv(J.T @ J)
    left = 1 - np.einsum("ij,jk,ik->i", J, inverse, J)
    meat = (J.T * ((y - a * np.exp(-b * x)) / left) ** 2) @ J
    np.testing.assert_allclose(
        pj.estimate.robust(est, "HC3").covariance, inverse @ meat @ inverse, rtol=1e-8
    )


@pytest.mark.slow
def test_what_has_no_error_of_its_own_leaves_the_others_theirs():
    x = np.linspace(0, 4, 30)
    y = 3 * np.exp(-x) + 0.05 * (1 + x) * np.cos(40 * x)
    plain = pj.estimate.curve_fit(curve, {"a": 1.0, "b": 1.0}, x, y)

    def shifted(params, x):
        return curve(params, x) + params["c"]

    def doubled(params, x):
        return params["twin"] * jnp.exp(-params["b"] * x) + curve(params, x)

    start = {"a": 1.0, "b": 1.0, "c": 0.5}
    bound = pj.estimate.curve_fit(shifted, start, x, y, bounds={"c": (0.2, 1.0)})
    held = pj.estimate.curve_fit(shifted, start | {"c": 0.2}, x, y, fixed=["c"])
    assert bound.outcome == "at a bound"
    twins = pj.estimate.curve_fit(doubled, {"a": 1.0, "b": 1.0, "twin": 1.0}, x, y)
    for kind in ("HC1", "HC3"):
        found, other = pj.estimate.robust(bound, kind), pj.estimate.robust(held, kind)
        np.testing.assert_allclose(found.errors[:2], other.errors, rtol=1e-6)
        found, other = pj.estimate.robust(twins, kind), pj.estimate.robust(plain, kind)
        assert found.stderr["b"] == pytest.approx(other.stderr["b"], rel=1e-6)
        assert np.isnan(found.stderr["twin"])


def test_collinear_columns_stay_without_errors(table):
    X, y, _, _ = table
    est = pj.estimate.linear(np.column_stack([X, X[:, 0] - 1, np.arange(N) == 4]), y)
    found = pj.estimate.robust(est)
    assert np.isnan(found.stderr["x3"])
    expected = sm.OLS(y, np.column_stack([np.ones(N), X, np.arange(N) == 4])).fit(cov_type="HC1")
    np.testing.assert_allclose(np.delete(found.errors, 3), expected.bse, rtol=1e-8)
    with pytest.raises(ValueError, match="zero in row 4: that row alone determines"):
        pj.estimate.robust(est, "HC2")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"kind": "HC4"}, ValueError, "kind: expected 'HC0', 'HC1', 'HC2' or 'HC3', got 'HC4'"),
        ({"clusters": np.arange(N) % 4}, ValueError, "expected at least 5, got 4: the variance"),
        ({"clusters": [1, 2]}, ValueError, r"expected 60 labels, .* got shape \(2,\)"),
        ({"clusters": np.full(N, np.nan)}, ValueError, "expected a label in each row, got nan"),
        ({"clusters": [None, "a"] * 30}, TypeError, "labels of one kind, got NoneType, str"),
        ({"clusters": np.arange(N), "kind": "HC3"}, ValueError, "'HC0' or 'HC1' with clusters"),
    ],
)
def test_what_is_wrong_is_named(table, changes, error, message):
    X, y, _, _ = table
    with pytest.raises(error, match=message):
        pj.estimate.robust(pj.estimate.linear(X, y), **changes)


def test_penalised_estimates_are_refused(table):
    X, y, _, _ = table
    with pytest.raises(ValueError, match="inverse information, got 'ridge'"):
        pj.estimate.robust(pj.estimate.linear(X, y, ridge=1.0))
