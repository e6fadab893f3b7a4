"""Factors of one problem and of a population, against numpy; populations in several threads."""

import subprocess
import sys

import jax
import numpy as np
import pytest

from paramjax.estimate.solvers._elimination import solve_definite, solve_upper, triangle

TABLES = np.random.default_rng(0).standard_normal((3, 9, 5)) * 10.0 ** np.arange(-4, 1)


@jax.jit
def solved(table):
    r = triangle(table, 4)
    return (
        r,
        solve_upper(r[:, :4], r[:, 4]),
        solve_upper(r[:, :4], r[:, 4], transposed=True),
        solve_definite(r[:, :4].T @ r[:, :4], r[:, 4]),
    )


@pytest.mark.parametrize("many", [False, True])
def test_factors_are_those_of_numpy(many):
    with jax.enable_x64(True):
        found = jax.jit(jax.vmap(solved))(TABLES) if many else solved(TABLES[0])
    found = jax.tree.map(lambda leaf: np.asarray(leaf)[0] if many else np.asarray(leaf), found)
    r, upper, lower, (definite, pivot) = found
    known = np.linalg.qr(TABLES[0], mode="r")[:4]
    np.testing.assert_allclose(np.abs(r), np.abs(known), rtol=1e-12, atol=1e-14)
    least_squares = np.linalg.lstsq(TABLES[0, :, :4], TABLES[0, :, 4])[0]
    np.testing.assert_allclose(upper, least_squares, rtol=1e-11)
    np.testing.assert_allclose(r[:, :4].T @ lower, r[:, 4], rtol=1e-12)
    square = r[:, :4].T @ r[:, :4]
    np.testing.assert_allclose(square @ definite, r[:, 4], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(pivot, np.diag(np.linalg.cholesky(square)).min() ** 2, rtol=1e-9)


def test_what_is_not_definite_has_no_positive_pivot():
    wrong = np.array([[[1.0, 2.0], [2.0, 1.0]]])
    _, pivot = jax.jit(jax.vmap(solve_definite))(wrong, np.ones((1, 2)))
    assert not pivot[0] > 0


@pytest.mark.slow
def test_threads_that_solve_populations_do_not_wait_for_each_other():
    """Batched QR by LAPACK blocked here for ever (jaxlib 0.10, two cores)."""
    code = """
import threading, numpy as np, jax.numpy as jnp, paramjax as pj
x = np.linspace(0.0, 4.0, 64)
y = 2.5 * np.exp(-1.3 * x) + 0.01 * np.cos(30 * x)
decay = lambda p, x: p["a"] * jnp.exp(-p["b"] * x)
est = pj.estimate.curve_fit(decay, {"a": 1.0, "b": 1.0}, x, y)
def work():
    for seed in range(10):
        weights = np.random.default_rng(seed).uniform(0.5, 1.5, (500, 64))
        est.objective.solve_many(np.ones((500, 2)), weights=weights)
threads = [threading.Thread(target=work) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
