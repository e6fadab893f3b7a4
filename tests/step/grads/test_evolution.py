import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from estimating import POINT, SLOPE, estimates, quartic, temporary_bytes
from refusing import assert_refused

from paramjax.step.grads import evolution

CURVATURE = jnp.array([1.0, 4.0, 9.0])


def linear(params, batch, key):
    return params @ SLOPE, {"first": params[0]}


def quadratic(params, batch, key):
    return 0.5 * jnp.sum(CURVATURE * params**2), {}


@pytest.mark.parametrize(
    ("loss_fn", "gradient"),
    [
        (linear, SLOPE),
        (quadratic, CURVATURE * POINT),
        # E (x + s e)^4 = x^4 + 6 x^2 s^2 + 3 s^4
        (quartic, 4 * POINT**3 + 12 * 0.5**2 * POINT),
    ],
    ids=["linear", "quadratic", "quartic"],
)
def test_unbiased_for_the_gradient_of_the_smoothed_loss(loss_fn, gradient, key):
    grads = estimates(evolution(loss_fn, population=4, sigma=0.5), POINT, key)
    error = grads.std(0) / np.sqrt(len(grads))
    assert (np.abs(grads.mean(0) - gradient) < 4 * error).all()
    if loss_fn is linear:  # an antithetic pair sees exactly the slope along its direction
        expected = (SLOPE @ SLOPE + SLOPE**2) / 2
        np.testing.assert_allclose(grads.var(0), expected, rtol=0.06)  # its own deviation is 2 %


def test_the_loss_is_an_estimate_of_the_smoothed_one(key):
    smoothed = 0.5 * float(CURVATURE @ (POINT**2 + 0.5**2))
    _, loss, _ = evolution(quadratic, population=40_000, sigma=0.5)(POINT, None, key)
    np.testing.assert_allclose(loss, smoothed, rtol=0.02)
    # antithetic pairs cancel what is linear
    _, loss, metrics = evolution(linear, population=2, sigma=5.0)(POINT, None, key)
    np.testing.assert_allclose(loss, POINT @ SLOPE, atol=1e-5)
    np.testing.assert_allclose(metrics["first"], POINT[0], atol=1e-5)


def test_chunks_change_nothing_and_bound_the_memory(key):
    whole = jax.jit(evolution(quartic, population=10, sigma=0.5))(POINT, None, key)
    for chunk in (2, 6, 1000):
        parts = jax.jit(evolution(quartic, population=10, sigma=0.5, chunk=chunk))(POINT, None, key)
        chex.assert_trees_all_close(parts, whole, rtol=1e-5)
    loss_fn = lambda params, batch, key: (jnp.tanh(params).sum(), {})
    small, large = (
        temporary_bytes(
            evolution(loss_fn, population=64, sigma=0.1, chunk=chunk), jnp.zeros(4096), None, key
        )
        for chunk in (4, None)
    )
    assert small <= large / 4


def test_members_share_the_key_of_the_loss_which_need_not_be_differentiable(key):
    """With a key each, the noise of the loss would be divided by sigma."""
    noisy = lambda params, batch, key: (params @ SLOPE + jax.random.normal(key), {})
    ours, quiet = (
        evolution(loss_fn, population=4, sigma=1e-2)(POINT, None, key)[0]
        for loss_fn in (noisy, linear)
    )
    np.testing.assert_allclose(ours, quiet, atol=1e-3)
    steps = lambda params, batch, key: (jnp.floor(params).sum(), {})
    grads, _, _ = evolution(steps, population=2000, sigma=2.0)(POINT, None, key)
    np.testing.assert_allclose(grads, jnp.ones(3), atol=0.2)


def test_model_state_is_that_at_the_parameters_and_a_line_search_gets_the_reported_loss(key):
    def loss_fn(params, state, batch, key):
        return jnp.sum(params**4), ({"count": state["count"] + 1, "seen": params}, {})

    grad_fn = evolution(loss_fn, population=4, sigma=0.3, stateful=True)
    before = {"count": jnp.int32(5), "seen": jnp.zeros(3)}
    _, loss, (state, _) = grad_fn(POINT, before, None, key)
    assert int(state["count"]) == 6
    chex.assert_trees_all_equal(state["seen"], POINT)
    searched, (state, _) = grad_fn.loss_fn(POINT, before, None, key)
    np.testing.assert_allclose(searched, loss)
    assert int(state["count"]) == 6


def test_what_is_refused(key):
    vector = lambda params, batch, key: (params, {})
    assert_refused(
        lambda loss_fn=linear, point=POINT, **numbers: evolution(
            loss_fn, **{"population": 2, "sigma": 0.1, **numbers}
        )(point, None, key),
        ({"population": 3}, ValueError, "population: expected an even number, .* got 3"),
        ({"population": 0}, ValueError, "population: expected a whole number from 2"),
        ({"population": 2.0}, TypeError, "population: expected a whole number, got float"),
        ({"chunk": 5}, ValueError, "chunk: expected an even number"),
        ({"sigma": 0.0}, ValueError, "sigma: expected a number above 0"),
        ({"sigma": -0.1}, ValueError, "sigma: expected a number from 0"),
        ({"sigma": lambda step: 0.1}, TypeError, "sigma: expected a number, got a function"),
        (1.0, TypeError, "evolution: expected a loss, .* got float"),
        ((linear, POINT.astype(complex)), TypeError, r"leaf \(the tree itself\) .* is complex64"),
        (vector, ValueError, r"evolution: expected a scalar loss, got shape \(3,\)"),
    )
