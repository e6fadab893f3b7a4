import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from estimating import perceptron, temporary_bytes
from refusing import assert_refused
from scipy import stats

import paramjax as pj
from paramjax.step.grads import Masked, private

TINY = 1e-9  # noise that does not show in float32


def linear(params, batch, key):
    """Its gradient of a row is the row."""
    value = params["w"] @ batch.mean(0)
    return value, {"first": batch[0, 0]}


ROWS = jnp.array([[3.0, 4.0], [0.3, 0.4], [0.0, -10.0]])
CLIPPED = jnp.array([[0.6, 0.8], [0.3, 0.4], [0.0, -1.0]])
PARAMS = {"w": jnp.array([1.0, 2.0])}


def test_rows_are_clipped_and_averaged_as_by_optax(key):
    grads, loss, metrics = private(linear, clip_norm=1.0, noise_multiplier=TINY)(PARAMS, ROWS, key)
    np.testing.assert_allclose(grads["w"], CLIPPED.mean(0), rtol=1e-5)
    np.testing.assert_allclose(loss, (11.0 + 1.1 - 20.0) / 3, rtol=1e-5)
    np.testing.assert_allclose(metrics["first"], 1.1, rtol=1e-6)
    np.testing.assert_allclose(metrics["clipped"], 2 / 3, rtol=1e-6)
    estimator = private(linear, clip_norm=1.0, noise_multiplier=TINY, expected_batch_size=12.0)
    np.testing.assert_allclose(estimator(PARAMS, ROWS, key)[0]["w"], CLIPPED.sum(0) / 12, rtol=1e-5)
    tx = optax.contrib.differentially_private_aggregate(1.0, TINY, key=0)
    expected, _ = tx.update({"w": ROWS}, tx.init(PARAMS))
    chex.assert_trees_all_close(grads, expected, rtol=1e-5)


def test_the_noise_is_gaussian_of_the_stated_deviation():
    """8,000 numbers: the deviation is right to 1 % and the shape passes a test at 1e-3."""
    sigma, clip, size = 1.5, 2.0, 4.0
    params = {"a": jnp.zeros(3000), "b": jnp.zeros((50, 100))}
    flat = lambda params, batch, key: (0.0 * (params["a"].sum() + params["b"].sum()), {})
    estimator = private(
        flat, clip_norm=clip, noise_multiplier=sigma, expected_batch_size=size, microbatch=1
    )
    grads, _, _ = jax.jit(estimator)(params, jnp.zeros((2, 1)), jax.random.key(3))
    noise = np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(grads)])
    assert abs(noise.std() / (sigma * clip / size) - 1) < 0.03
    assert stats.kstest(noise / (sigma * clip / size), "norm").pvalue > 1e-3


@pytest.mark.slow
def test_chunks_change_nothing_and_bound_the_memory(key):
    noisy = lambda params, batch, key: (linear(params, batch, key)[0] * jax.random.uniform(key), {})
    numbers, rows = {"clip_norm": 2.0, "noise_multiplier": 1.0}, jnp.arange(10.0).reshape(5, 2)
    whole = jax.jit(private(noisy, **numbers))(PARAMS, rows, key)
    for microbatch in (1, 2, 100):
        parts = jax.jit(private(noisy, **numbers, microbatch=microbatch))(PARAMS, rows, key)
        chex.assert_trees_all_close(parts, whole, rtol=1e-5, atol=1e-6)
    arguments = [jnp.eye(32)] * 3, jnp.ones((64, 32)), key
    small, large = (
        temporary_bytes(private(perceptron, **numbers, microbatch=microbatch), *arguments)
        for microbatch in (4, None)
    )
    assert small <= large / 4


@pytest.mark.parametrize(("junk", "microbatch"), [(jnp.nan, 2), (jnp.inf, None), (1e30, 2)])
def test_masked_rows_contribute_nothing_whatever_they_hold(junk, microbatch, key):
    rows = jnp.concatenate([ROWS, jnp.full((2, 2), junk)])
    mask = jnp.array([1, 1, 1, 0, 0])
    estimator = private(
        linear, clip_norm=1.0, noise_multiplier=1.0, expected_batch_size=3.0, microbatch=microbatch
    )
    masked = estimator(PARAMS, Masked(rows, mask), key)
    chex.assert_trees_all_close(masked, estimator(PARAMS, ROWS, key), rtol=1e-6)


def test_no_rows_at_all_is_noise_and_a_row_without_a_finite_gradient_adds_nothing(key):
    """Else one row could change the sum by more than the noise covers."""
    estimator = private(linear, clip_norm=1.0, noise_multiplier=1.0, expected_batch_size=3.0)
    grads, loss, _ = estimator(PARAMS, Masked(ROWS, jnp.zeros(3, bool)), key)
    assert np.isfinite(grads["w"]).all()
    assert (grads["w"] != 0).all()
    assert float(loss) == 0.0
    estimator = private(linear, clip_norm=1.0, noise_multiplier=TINY)
    grads, loss, _ = estimator(PARAMS, ROWS.at[0, 0].set(jnp.nan), key)
    np.testing.assert_allclose(grads["w"], CLIPPED[1:].sum(0) / 3, rtol=1e-5)
    assert np.isnan(loss)  # the loss says so; it is not private anyway


def test_one_row_moves_the_sum_by_at_most_the_clipping_norm(key):
    estimator = private(linear, clip_norm=0.7, noise_multiplier=1.0, expected_batch_size=1.0)
    full = estimator(PARAMS, Masked(ROWS, jnp.array([1, 1, 1])), key)[0]["w"]
    for i in range(3):
        without = Masked(ROWS, jnp.ones(3, bool).at[i].set(False))
        moved = estimator(PARAMS, without, key)[0]["w"] - full
        assert float(jnp.linalg.norm(moved)) <= 0.7 * (1 + 1e-5)


def test_what_is_refused(key):
    make = lambda loss_fn=linear, **numbers: private(
        loss_fn, **{"clip_norm": 1.0, "noise_multiplier": 1.0, **numbers}
    )
    assert_refused(
        make,
        (
            {"noise_multiplier": 0.0},
            ValueError,
            "noise_multiplier: expected a number above 0, got 0; a priv",
        ),
        ({"noise_multiplier": -1.0}, ValueError, "noise_multiplier: expected a number from 0"),
        ({"clip_norm": 0}, ValueError, "clip_norm: expected a number above 0"),
        ({"clip_norm": float("inf")}, ValueError, "clip_norm: expected a number from 0, finite"),
        (
            {"expected_batch_size": 0.0},
            ValueError,
            "expected_batch_size: expected a number above 0",
        ),
        ({"microbatch": 0}, ValueError, "microbatch: expected a whole number from 1"),
        (pj.gradient(linear), TypeError, "private: expected a loss"),
    )
    assert make().loss_fn is None  # a line search would spend privacy
    whole, uneven = Masked(ROWS, jnp.ones(3)), Masked(ROWS, jnp.ones(4))
    assert_refused(
        lambda batch, params=PARAMS, **size: make(**size)(params, batch, key),
        (whole, ValueError, "expected_batch_size: needed with Masked rows"),
        ({"batch": uneven, "expected_batch_size": 3}, ValueError, "leaves of one length"),
        ((ROWS, {"w": jnp.zeros(2, complex)}), TypeError, "leaf w of the parameters is complex64"),
    )
