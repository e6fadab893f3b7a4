"""Truth: DeepOBS's description and its published results, and closed forms of a quadratic."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramjax.bench.workloads import get
from paramjax.bench.workloads._quadratic_deep import hessian  # has no public name
from paramjax.data import batch_order

START = np.ones(100)


@pytest.fixture(scope="module")
def quadratic():
    return get("quadratic_deep").loaded()


def loss_by_hand(params, rows):
    away = params - rows.astype(np.float64)
    return 0.5 * np.mean(np.einsum("ni,ij,nj->n", away, hessian(), away))


def test_its_loss_before_training_is_the_published_one(quadratic):
    assert loss_by_hand(START, quadratic.test_data["x"]) == pytest.approx(353.446765, abs=1e-6)
    value = jax.jit(quadratic.evaluate)(quadratic.init(jax.random.key(0)), quadratic.test_data)
    assert float(value["loss"]) == pytest.approx(353.446765, rel=1e-6)  # float32


def test_its_curvature_is_the_described_one():
    eigenvalues = np.linalg.eigvalsh(hessian())
    np.testing.assert_allclose(hessian(), hessian().T, atol=1e-12)
    assert ((eigenvalues > 0) & (eigenvalues < 1)).sum() == 90
    assert ((eigenvalues > 30) & (eigenvalues < 60)).sum() == 10
    drawn = np.random.RandomState(42)
    expected = [*drawn.uniform(0, 1, 90), *drawn.uniform(30, 60, 10)]
    np.testing.assert_allclose(eigenvalues, np.sort(expected), rtol=1e-8)


def test_its_parts_are_the_published_ones_and_one_of_our_own(quadratic):
    parts = {42: quadratic.data, 43: quadratic.test_data, 44: quadratic.eval_data}
    for seed, part in parts.items():
        rows = np.random.RandomState(seed).normal(0, 0.6, (1000, 100))
        size = 1000 if seed == 42 else 7 * 128  # the last incomplete batch is dropped
        np.testing.assert_array_equal(part["x"], rows[:size].astype(np.float32))


def test_its_best_loss_is_known(quadratic):
    """The mean of the rows minimises, and leaves half the trace of curvature times covariance."""
    rows = quadratic.test_data["x"].astype(np.float64)
    least = 0.5 * np.trace(hessian() @ np.cov(rows.T, bias=True))
    evaluate = jax.jit(
        jax.value_and_grad(lambda params: quadratic.evaluate(params, quadratic.test_data)["loss"])
    )
    value, gradient = evaluate(jnp.asarray(rows.mean(axis=0), jnp.float32))
    assert float(value) == pytest.approx(least, rel=1e-5)
    assert float(jnp.abs(gradient).max()) < 1e-3  # 350 at the start
    # in expectation 0.36 / 2 times the sum of the eigenvalues, which rows of the law are near
    deviation = 0.36 * np.sqrt(np.sum(np.linalg.eigvalsh(hessian()) ** 2) / 2 / len(rows))
    assert abs(least - 0.18 * np.trace(hessian())) < 3 * deviation


@pytest.mark.slow
def test_plain_descent_ends_where_deepobs_published_it(quadratic):
    """SGD at 0.0158 for 100 epochs: 87.40, with a deviation of 0.17 over ten seeds."""
    rows = jnp.asarray(quadratic.data["x"])

    def trained(key):
        def step(params, batch):
            gradient = jax.grad(lambda p: quadratic.loss_fn(p, {"x": rows[batch]}, None)[0])(params)
            return params - 10**-1.8 * gradient, None

        params, _ = jax.lax.scan(step, quadratic.init(key), batch_order(key, 1000, 128, 700))
        return quadratic.evaluate(params, quadratic.test_data)["loss"]

    losses = jax.jit(jax.vmap(trained))(jax.random.split(jax.random.key(0), 10))
    # both means are over ten seeds, each with the published deviation
    assert float(losses.mean()) == pytest.approx(87.40, abs=3 * 0.17 * np.sqrt(2 / 10))
