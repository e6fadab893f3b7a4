import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.step.hooks import sharpness


def quadratic(hessian):
    hessian = jnp.asarray(hessian, jnp.float32)
    return lambda params, batch, key: (params @ hessian @ params / 2, {})


def rotated(eigenvalues, seed=0):
    """A symmetric matrix with these eigenvalues and random eigenvectors."""
    size = len(eigenvalues)
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))
    return (q * np.array(eigenvalues)) @ q.T


def measured(key, loss_fn, params, hook, steps=1, batch=None, tx=None):
    trainer = pj.train_step(loss_fn, tx or optax.set_to_zero(), [hook])
    state, step, reported = trainer.init(key, params), jax.jit(trainer.step), []
    for _ in range(steps):
        state, metrics = step(state, batch)
        reported.append(float(metrics["sharpness"]))
    return reported, state


@pytest.mark.parametrize(
    "eigenvalues",
    [
        [5.0, 3.0, 1.0, 0.5, 0.0],
        [4.0, 1.0, 0.0, -2.0, -8.0],  # plain power iteration would find -8
        [2.0, 0.0, 0.0, 0.0, -2.0],  # and would find nothing here
        [-1.0, -3.0, -4.0, -5.0, -9.0],
    ],
    ids=["definite", "a larger negative one", "opposite ones", "negative"],
)
def test_is_the_largest_eigenvalue_in_sign(key, eigenvalues):
    loss_fn, hook = quadratic(rotated(eigenvalues)), sharpness(iterations=60)
    (value,), state = measured(key, loss_fn, jnp.ones(5), hook)
    assert value == pytest.approx(eigenvalues[0], rel=1e-3)
    v = np.asarray(state.hook_state[0].vector, np.float64)
    assert np.linalg.norm(v) == pytest.approx(1, rel=1e-5)
    assert v @ rotated(eigenvalues) @ v == pytest.approx(value, rel=1e-4)


def test_each_measurement_goes_on_from_the_last(key):
    eigenvalues = np.linspace(10, -10, 12)
    loss_fn, hook = quadratic(rotated(eigenvalues)), sharpness(1, iterations=1)
    reported, _ = measured(key, loss_fn, jnp.ones(12), hook, steps=80)
    assert (np.diff(reported) > -1e-4).all()  # it only rises
    assert max(reported) <= 10 * (1 + 1e-5)  # from below
    assert reported[-1] == pytest.approx(10, rel=1e-3)
    assert reported[0] < 9


def test_equals_the_eigenvalues_of_a_small_networks_hessian(key):
    x = jax.random.normal(jax.random.key(1), (16, 3))

    def loss_fn(params, batch, key):
        hidden = jnp.tanh(batch @ params["w"] + params["b"][None, :])
        return jnp.mean((hidden @ params["v"] - batch[:, 0] ** 2) ** 2), {}

    draw = lambda seed, *shape: jax.random.normal(jax.random.key(seed), shape)
    params = {"w": draw(2, 3, 4), "b": draw(3, 4), "v": draw(4, 4)}
    flat, unflatten = jax.flatten_util.ravel_pytree(params)
    hessian = jax.hessian(lambda p: loss_fn(unflatten(p), x, None)[0])(flat)
    truth = np.linalg.eigvalsh(np.asarray(hessian, np.float64))
    (value,), _ = measured(key, loss_fn, params, sharpness(iterations=50), batch=x)
    assert truth[0] < 0  # not a convex problem
    assert value == pytest.approx(truth[-1], rel=1e-3)


def test_is_measured_when_due_and_held_between(key):
    def loss_fn(params, batch, key):  # curvature grows with the parameter: 6 p
        return jnp.sum(params**3), {}

    up = optax.stateless(lambda updates, params: jax.tree.map(jnp.ones_like, updates))
    reported, _ = measured(key, loss_fn, jnp.ones(1), sharpness(3), steps=7, tx=up)
    assert reported == pytest.approx([6, 6, 6, 24, 24, 24, 42], rel=1e-5)


def test_the_first_vector_comes_from_the_runs_key():
    def first(seed):
        loss_fn, hook = quadratic(rotated([2.0, 1.0, 0.0])), sharpness(iterations=1)
        return measured(jax.random.key(seed), loss_fn, jnp.ones(3), hook)[0][0]

    assert first(0) == first(0)
    assert first(0) != first(1)


def test_half_precision_is_measured_in_single(key):
    eigenvalues = [5.0, 3.0, 1.0]
    hook = sharpness(iterations=40)
    loss_fn = quadratic(rotated(eigenvalues))
    (value,), state = measured(key, loss_fn, jnp.ones(3, jnp.bfloat16), hook)
    assert value == pytest.approx(5, rel=1e-4)  # bfloat16 has steps of 4e-3
    assert state.hook_state[0].vector.dtype == jnp.float32


def test_a_flat_loss_has_no_sharpness(key):
    loss_fn = lambda params, batch, key: (jnp.sum(params), {})
    reported, state = measured(key, loss_fn, jnp.ones(3), sharpness(1), steps=2)
    assert reported == [0.0, 0.0]
    assert jnp.isfinite(state.hook_state[0].vector).all()


def test_a_lost_measurement_shows_and_does_not_stay(key):
    trainer = pj.train_step(
        lambda params, batch, key: (batch * jnp.sum(params**2), {}),
        optax.set_to_zero(),
        [sharpness(1)],
    )
    state, reported = trainer.init(key, jnp.ones(2)), []
    for batch in (jnp.nan, 1.0, jnp.nan, 3.0):
        state, metrics = jax.jit(trainer.step)(state, jnp.float32(batch))
        reported.append(float(metrics["sharpness"]))
    np.testing.assert_allclose(reported, [np.nan, 2, np.nan, 6], rtol=1e-5)


def test_the_loss_of_a_stateful_estimator_gets_its_state(key):
    def loss_fn(params, count, batch, key):
        return count * jnp.sum(params**2), (count + 1, {})

    trainer = pj.train_step(loss_fn, optax.set_to_zero(), [sharpness(1)], stateful=True)
    state = trainer.init(key, jnp.ones(2), jnp.float32(1))
    for expected in (2.0, 4.0):
        state, metrics = jax.jit(trainer.step)(state, None)
        assert float(metrics["sharpness"]) == pytest.approx(expected, rel=1e-5)


def test_products_are_taken_only_when_due(key):
    calls = []

    def counted(params, batch, key):
        jax.debug.callback(lambda: calls.append(1))
        return jnp.sum(params**2), {}

    measured(key, counted, jnp.ones(2), sharpness(4, iterations=3), steps=8)
    jax.effects_barrier()
    # a callback runs once a product, with the four products of each of two measurements
    assert len(calls) == 8 + 2 * 4


def test_estimators_without_a_loss_are_refused(key):
    downhill = pj.GradFn(lambda params, batch, key: (params, jnp.float32(0), {}))
    with pytest.raises(ValueError, match="sharpness: this gradient estimator has no loss"):
        measured(key, downhill, jnp.ones(2), sharpness())


def test_complex_parameters_are_refused(key):
    trainer = pj.train_step(lambda p, b, k: (0.0, {}), optax.sgd(0.1), [sharpness()])
    with pytest.raises(TypeError, match=r"sharpness: leaf w is complex64\[2\], expected real"):
        trainer.init(key, {"w": jnp.ones(2, jnp.complex64)})


@pytest.mark.parametrize("name", ["every", "iterations"])
def test_counts_out_of_range_are_refused(name):
    with pytest.raises(ValueError, match=f"sharpness: {name}: expected a whole number from 1"):
        sharpness(**{name: 0})
