import jax
import jax.numpy as jnp
import numpy as np
from estimating import POINT, estimates, quartic
from refusing import assert_refused

import paramjax as pj
from paramjax.step.grads import forward_gradient


def test_unbiased_with_the_variance_of_a_normal_direction(key):
    """(|g|^2 + g_j^2) / samples, from the fourth moments of the normal distribution."""
    slope = np.asarray(4 * POINT**3)
    grads = estimates(forward_gradient(quartic, samples=2), POINT, key)
    expected = (slope @ slope + slope**2) / 2
    assert (np.abs(grads.mean(0) - slope) < 4 * np.sqrt(expected / len(grads))).all()
    np.testing.assert_allclose(grads.var(0), expected, rtol=0.06)


def test_one_sample_is_the_slope_along_a_direction_times_it(line, line_loss, key):
    params = {"w": jnp.array([[0.7]]), "b": jnp.array([[-0.3]])}
    # one flat draw of the estimator's own key, cut into the leaves in their order
    own = jax.random.split(jax.random.fold_in(key, jnp.uint32(0xD1EC0000)), 1)[0]
    drawn = jax.random.normal(own, (2,))
    direction = {"b": drawn[0], "w": drawn[1]}
    grads, loss, metrics = forward_gradient(line_loss)(params, line, key)
    exact, value, _ = pj.gradient(line_loss)(params, line, key)
    slope = exact["w"] * direction["w"] + exact["b"] * direction["b"]
    for name in params:
        np.testing.assert_allclose(grads[name], slope * direction[name], rtol=1e-5)
    np.testing.assert_allclose(loss, value, rtol=1e-6)
    assert metrics == {}


def test_the_loss_and_its_state_are_those_at_the_parameters_evaluated_once(key):
    """A callback in the loss counts; the directions share its one evaluation."""
    calls = []

    def loss_fn(params, seen, batch, key):
        jax.debug.callback(lambda: calls.append(1))
        return jnp.sum(params**4), (params, {"noise": jax.random.normal(key)})

    _, loss, (state, metrics) = forward_gradient(loss_fn, samples=3, stateful=True)(
        POINT, jnp.zeros(3), None, key
    )
    np.testing.assert_allclose(loss, np.sum(np.asarray(POINT) ** 4), rtol=1e-6)
    np.testing.assert_array_equal(state, POINT)
    assert float(metrics["noise"]) == float(jax.random.normal(key))  # the step's own key
    jax.effects_barrier()
    assert len(calls) == 1


def test_bad_counts_and_losses_are_refused(key):
    assert_refused(
        lambda loss_fn=quartic, point=POINT, **n: forward_gradient(loss_fn, **n)(point, None, key),
        ({"samples": 0}, ValueError, "samples: expected a whole number from 1"),
        (pj.gradient(quartic), TypeError, "forward_gradient: expected a loss"),
        ((quartic, POINT.astype(complex)), TypeError, "complex64, expected real numbers"),
    )
