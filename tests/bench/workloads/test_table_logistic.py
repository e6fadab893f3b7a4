"""Truth: the law that the labels were drawn from, and scipy's fit of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

from paramjax.bench.workloads import get
from paramjax.bench.workloads._table_logistic import simulate_table  # has no public name


@pytest.fixture(scope="module")
def table():
    return get("table_logistic").loaded()


@pytest.fixture(scope="module")
def log_odds():
    return simulate_table()[1]


def losses(log_odds, y):
    return np.logaddexp(0, -np.where(y == 1, log_odds, -log_odds))


def test_labels_follow_the_law(table, log_odds):
    """The loss of the law itself is its entropy, up to what drawing the labels adds."""
    p = 1 / (1 + np.exp(-log_odds))
    entropy = np.mean(-p * np.log(p) - (1 - p) * np.log1p(-p))
    deviation = np.sqrt(np.sum(p * (1 - p) * log_odds**2)) / len(p)
    assert abs(losses(log_odds, table.data["y"]).mean() - entropy) < 3 * deviation
    assert 0.4 < entropy < 0.45 < 0.64 < stats.entropy([p.mean(), 1 - p.mean()])


def test_no_linear_model_wins_more_than_its_parameters_allow(table, log_odds):
    """Twice the log likelihood that 41 fitted numbers win over the law is chi-squared (Wilks)."""
    x, y = table.data["x"].astype(np.float64), table.data["y"]
    design = np.column_stack([x / x.std(axis=0), np.ones(len(x))])

    def objective(weights):
        z = design @ weights
        return losses(z, y).sum(), design.T @ (1 / (1 + np.exp(-z)) - y)

    fitted = optimize.minimize(objective, np.zeros(41), jac=True, method="BFGS", tol=1e-3)
    won = 2 * (losses(log_odds, y).sum() - fitted.fun)
    low, high = stats.chi2(41).ppf([0.001, 0.999])
    assert low < won < high
    # the workload's own loss agrees at that point
    weights = {
        "Dense_0": {"kernel": (fitted.x[:-1] / x.std(axis=0))[:, None], "bias": fitted.x[-1:]}
    }
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), {"params": weights})
    assert float(table.evaluate(params, table.data)["loss"]) == pytest.approx(
        fitted.fun / len(y), rel=1e-5
    )


def test_columns_are_correlated_and_badly_scaled(table):
    x = table.data["x"].astype(np.float64)
    expected = np.geomspace(0.3, 3, 40)
    np.testing.assert_allclose(np.sort(x.std(axis=0)), expected, rtol=0.05)  # of 10,000 rows
    correlations = np.corrcoef(x.T)
    assert np.abs(correlations[np.triu_indices(40, 1)]).max() > 0.8
    assert np.linalg.cond(np.cov(x.T)) > 1e3
