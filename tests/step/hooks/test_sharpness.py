import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from refusing import assert_refused
from stepping import run_steps

import paramjax as pj
from paramjax.step.hooks import sharpness


def curved(params, batch, key):
    """A quadratic whose Hessian is the batch, so that one program measures several."""
    params = params.astype(batch.dtype)
    return params @ batch @ params / 2, {}


def rotated(eigenvalues):
    """A symmetric matrix with these eigenvalues and random eigenvectors."""
    size = len(eigenvalues)
    q, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))
    return ((q * np.array(eigenvalues)) @ q.T).astype(np.float32)


def measured(key, loss_fn, params, hook, batches, tx=None, **options):
    """What is reported after each batch, and the last state."""
    trainer = pj.train_step(loss_fn, tx or optax.set_to_zero(), [hook], **options)
    model_state = {"model_state": jnp.float32(1)} if options else {}
    batches = jnp.asarray(batches, jnp.float32)
    state, metrics = run_steps(trainer, params, key, batches, **model_state)
    return metrics["sharpness"].tolist(), state


SPECTRA = [
    [5.0, 3.0, 1.0, 0.5, 0.0],
    [4.0, 1.0, 0.0, -2.0, -8.0],  # plain power iteration would find -8
    [2.0, 0.0, 0.0, 0.0, -2.0],  # and would find nothing here
    [-1.0, -3.0, -4.0, -5.0, -9.0],
]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_is_the_largest_eigenvalue_in_sign(key, dtype):
    """In bfloat16 eigenvalues of 5 would have steps of 2e-2."""
    trainer = pj.train_step(curved, optax.set_to_zero(), [sharpness(iterations=60)])
    step, first = jax.jit(trainer.step), trainer.init(key, jnp.ones(5, dtype))
    for eigenvalues in SPECTRA:
        hessian = rotated(eigenvalues)
        state, metrics = step(first, hessian)
        assert float(metrics["sharpness"]) == pytest.approx(eigenvalues[0], rel=1e-3)
        vector = state.hook_state[0].vector
        assert vector.dtype == jnp.float32
        v = np.asarray(vector, np.float64)
        assert np.linalg.norm(v) == pytest.approx(1, rel=1e-5)
        assert v @ hessian @ v == pytest.approx(float(metrics["sharpness"]), rel=1e-4)


def test_each_measurement_goes_on_from_the_last_and_the_first_from_the_runs_key(key):
    hessian = rotated(np.linspace(10, -10, 12))
    batches = np.tile(hessian, (80, 1, 1))
    run = lambda key: measured(key, curved, jnp.ones(12), sharpness(1, iterations=1), batches)[0]
    reported = run(key)
    assert (np.diff(reported) > -1e-4).all()  # it only rises
    assert max(reported) <= 10 * (1 + 1e-5)  # from below
    assert reported[-1] == pytest.approx(10, rel=1e-3)
    assert reported[0] < 9
    assert reported[0] != run(jax.random.key(1))[0]


def test_equals_the_eigenvalues_of_a_small_networks_hessian(key):
    x = jax.random.normal(jax.random.key(1), (16, 3))

    def loss_fn(params, batch, key):
        hidden = jnp.tanh(batch @ params["w"] + params["b"][None, :])
        return jnp.mean((hidden @ params["v"] - batch[:, 0] ** 2) ** 2), {}

    draw = lambda seed, *shape: jax.random.normal(jax.random.key(seed), shape)
    params = {"w": draw(2, 3, 4), "b": draw(3, 4), "v": draw(4, 4)}
    flat, unflatten = jax.flatten_util.ravel_pytree(params)
    hessian = jax.jit(jax.hessian(lambda p: loss_fn(unflatten(p), x, None)[0]))(flat)
    truth = np.linalg.eigvalsh(np.asarray(hessian, np.float64))
    (value,), _ = measured(key, loss_fn, params, sharpness(iterations=50), x[None])
    assert truth[0] < 0  # not a convex problem
    assert value == pytest.approx(truth[-1], rel=1e-3)


def test_is_measured_and_paid_for_when_due_and_held_between(key):
    calls = []

    def loss_fn(params, batch, key):  # curvature grows with the parameter: 6 p
        jax.debug.callback(lambda: calls.append(1))
        return jnp.sum(params**3), {}

    up = optax.stateless(lambda updates, params: jax.tree.map(jnp.ones_like, updates))
    reported, _ = measured(key, loss_fn, jnp.ones(1), sharpness(3), np.zeros(7), up)
    assert reported == pytest.approx([6, 6, 6, 24, 24, 24, 42], rel=1e-5)
    jax.effects_barrier()
    # a callback runs once a product, with the eleven products of each of three measurements
    assert len(calls) == 7 + 3 * 11


def test_a_flat_loss_has_no_sharpness_and_a_lost_measurement_does_not_stay(key):
    loss_fn = lambda params, batch, key: (batch * jnp.sum(params**2), {})
    reported, state = measured(key, loss_fn, jnp.ones(2), sharpness(1), [0, np.nan, 1, np.nan, 3])
    np.testing.assert_allclose(reported, [0, np.nan, 2, np.nan, 6], rtol=1e-5)
    assert jnp.isfinite(state.hook_state[0].vector).all()


def test_the_loss_of_a_stateful_estimator_gets_its_state(key):
    loss_fn = lambda params, count, batch, key: (count * jnp.sum(params**2), (count + 1, {}))
    reported, _ = measured(key, loss_fn, jnp.ones(2), sharpness(1), np.zeros(2), stateful=True)
    assert reported == pytest.approx([2, 4], rel=1e-5)


def test_what_cannot_be_measured_is_refused(key):
    downhill = pj.GradFn(lambda params, batch, key: (params, jnp.float32(0), {}))
    assert_refused(
        lambda loss_fn=curved, w=1.0, **counts: measured(
            key, loss_fn, {"w": jnp.full(2, w)}, sharpness(**counts), np.zeros(1)
        ),
        (downhill, ValueError, "sharpness: this gradient estimator has no loss"),
        ({"w": 1j}, TypeError, r"sharpness: leaf w is complex64\[2\], expected real"),
        ({"every": 0}, ValueError, "sharpness: every: expected a whole number from 1"),
        ({"iterations": 0}, ValueError, "sharpness: iterations: expected a whole number from 1"),
    )
