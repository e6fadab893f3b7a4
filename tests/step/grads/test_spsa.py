import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
from estimating import POINT, SLOPE, estimates
from refusing import assert_refused

from paramjax.step.grads import spsa


def loss(params):
    return jnp.sum(params**2) + params[0] * params[1] + jnp.sin(params[2])


def loss_fn(params, batch, key):
    return loss(params), {"first": params[0]}


def test_one_sample_is_one_of_the_eight_directions_of_spall(key):
    """Equation 2.2 for each of the directions that there are, written by hand."""
    scale = 0.25
    directions = np.array(list(itertools.product([-1.0, 1.0], repeat=3)), np.float32)
    ahead, behind = (jax.vmap(loss)(POINT[None] + s * scale * directions) for s in (1, -1))
    by_hand = ((ahead - behind) / (2 * scale))[:, None] / directions
    keys = jax.random.split(key, 64)
    grad_fn = spsa(loss_fn, scale=scale)
    grads, values, metrics = jax.jit(jax.vmap(lambda key: grad_fn(POINT, None, key)))(keys)
    near = np.isclose(grads[:, None], by_hand[None], rtol=1e-4, atol=1e-5).all(-1)
    assert near.any(1).all()
    found = near.argmax(1)
    assert len(set(found.tolist())) == 4  # a direction and its opposite give the same
    np.testing.assert_allclose(values, (ahead + behind)[found] / 2, rtol=1e-5)
    np.testing.assert_allclose(metrics["first"], 0.5, rtol=1e-6)


def test_unbiased_with_its_variance_on_a_linear_loss(key):
    """The variance of a component is (|a|^2 - a_j^2) / samples."""
    linear = lambda params, batch, key: (params @ SLOPE, {})
    grads = estimates(spsa(linear, scale=0.1, samples=2), POINT, key)
    expected = np.asarray(SLOPE @ SLOPE - SLOPE**2) / 2
    assert (np.abs(grads.mean(0) - SLOPE) < 4 * np.sqrt(expected / len(grads))).all()
    np.testing.assert_allclose(grads.var(0), expected, rtol=0.06)


def test_chunks_change_nothing_and_model_state_is_that_at_the_parameters(key):
    stateful = lambda params, count, batch, key: (loss(params), (count + params.sum(), {}))
    whole, parts = (
        spsa(stateful, scale=0.1, samples=5, chunk=chunk, stateful=True)(POINT, 2.0, None, key)
        for chunk in (None, 2)
    )
    chex.assert_trees_all_close(parts, whole, rtol=1e-4)
    assert float(whole[2][0]) == 2.0 + float(POINT.sum())


def test_numbers_out_of_range_are_refused():
    assert_refused(
        lambda **numbers: spsa(loss_fn, **{"scale": 0.1, **numbers}),
        ({"scale": 0.0}, ValueError, "spsa: scale: expected a number above 0"),
        ({"samples": 0}, ValueError, "spsa: samples: expected a whole number from 1"),
        ({"chunk": 0}, ValueError, "spsa: chunk: expected a whole number from 1"),
    )
