import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from refusing import assert_refused
from stepping import run_steps

import paramjax as pj
from paramjax.step.hooks import noise_scale


def to_the_mean(params, batch, key):
    """Half the squared distance to the rows; one row's gradient is `params - row`."""
    return jnp.mean(jnp.sum((params[None] - batch) ** 2, axis=1)) / 2, {}


def by_numpy(gradients, small):
    """McCandlish et al. (2018), appendix A.1, from the gradient of each row."""
    rows = len(gradients)
    of_small = np.sum(gradients[:small].mean(0) ** 2)
    of_all = np.sum(gradients.mean(0) ** 2)
    signal = (rows * of_all - small * of_small) / (rows - small)
    noise = (of_small - of_all) / (1 / small - 1 / rows)
    return noise, signal


def measured(trainer, key, batches, params):
    """Noise scale after each batch, and the last state."""
    state, metrics = run_steps(trainer, params, key, jnp.asarray(batches))
    return metrics["noise_scale"].tolist(), state


@pytest.mark.parametrize(("fraction", "small"), [(0.25, 2), (0.01, 1), (0.99, 7)])
def test_one_measurement_is_the_papers_formula(key, fraction, small):
    batch = 2 + np.random.default_rng(1).normal(size=(8, 3)).astype(np.float32)
    trainer = pj.train_step(to_the_mean, optax.sgd(0.1), [noise_scale(fraction=fraction)])
    (scale,), _ = measured(trainer, key, [batch], jnp.zeros(3))
    noise, signal = by_numpy(-batch.astype(np.float64), small)
    assert scale == pytest.approx(noise / signal, rel=1e-4)


def test_measurements_are_averaged_exponentially(key):
    batches = 1 + np.random.default_rng(2).normal(size=(7, 8, 3)).astype(np.float32)
    hook = noise_scale(3, fraction=0.5, decay=0.8)
    trainer = pj.train_step(to_the_mean, optax.set_to_zero(), [hook])
    reported, _ = measured(trainer, key, batches, jnp.zeros(3))
    estimates = np.array([by_numpy(-b.astype(np.float64), 4) for b in batches[::3]])
    for count in (1, 2, 3):
        weights = 0.8 ** np.arange(count - 1, -1, -1)
        noise, signal = np.average(estimates[:count], axis=0, weights=weights)
        held = reported[3 * count - 3 : 3 * count]
        np.testing.assert_allclose(held, noise / signal, rtol=1e-4)


def test_finds_the_scale_of_gaussian_rows(key):
    # rows of mean mu and covariance s^2 I in d dimensions: tr(Sigma) = d s^2, G = params - mu
    mean, deviation, dimensions, steps = 0.5, 2.0, 10, 4000
    rows = mean + deviation * jax.random.normal(jax.random.key(1), (steps, 16, dimensions))
    hook = noise_scale(1, fraction=0.25, decay=1 - 1 / steps)
    trainer = pj.train_step(to_the_mean, optax.set_to_zero(), [hook])
    reported, _ = measured(trainer, key, rows, jnp.zeros(dimensions))
    truth = dimensions * deviation**2 / (dimensions * mean**2)
    # the spread of the two averages over some 2000 batches is about 2 % and 4 %
    assert reported[-1] == pytest.approx(truth, rel=0.12)


def test_scales_of_zero_and_infinity_and_a_measurement_that_is_not_finite(key):
    """Zero gradients, a mean gradient lost in its noise, and a batch that is left out."""
    trainer = pj.train_step(to_the_mean, optax.set_to_zero(), [noise_scale(1, fraction=0.5)])
    batches = jnp.array([[[0.0], [0.0], [0.0], [0.0]], [[1.0], [1.0], [-1.0], [-1.0]]])
    assert measured(trainer, key, batches, jnp.zeros(1))[0] == [0.0, np.inf]
    batches = 1 + np.random.default_rng(4).normal(size=(3, 8, 2)).astype(np.float32)
    clean, _ = measured(trainer, key, batches, jnp.zeros(2))
    reported, _ = measured(trainer, key, np.insert(batches, 1, np.nan, axis=0), jnp.zeros(2))
    assert reported == [clean[0], *clean]


def test_costs_a_gradient_only_when_due(key):
    calls = []

    def counted(params, batch, key):
        jax.debug.callback(lambda _: calls.append(1), params[0])  # once for each run
        return to_the_mean(params, batch, key)

    def train(rate):
        trainer = pj.train_step(counted, optax.sgd(rate), [noise_scale(4)])
        state = trainer.init(key, jnp.zeros(2))
        return jax.lax.scan(lambda s, _: trainer.step(s, jnp.ones((4, 2))), state, length=8)[1]

    for run, rates in ((train, jnp.float32(0.1)), (jax.vmap(train), jnp.array([0.1, 0.2]))):
        calls.clear()
        jax.block_until_ready(jax.jit(run)(rates))
        jax.effects_barrier()
        assert len(calls) == (8 + 2) * rates.size


def test_gradients_of_each_example_are_averaged(key):
    each = pj.grads.per_example(to_the_mean)
    tx = optax.stateless(lambda updates, params: updates.mean(0))
    batch = np.random.default_rng(5).normal(size=(8, 3)).astype(np.float32)
    reported, expected = (
        measured(pj.train_step(loss, tx, [noise_scale()]), key, [batch], jnp.zeros(3))[0]
        for loss, tx in [(each, tx), (to_the_mean, optax.sgd(1.0))]
    )
    assert reported == pytest.approx(expected, rel=1e-5)


def test_what_is_refused(key):
    assert_refused(
        noise_scale,
        ({"every": 0}, ValueError, "noise_scale: every: expected a whole number from 1"),
        ({"decay": 1.0}, ValueError, "noise_scale: decay: expected a number from 0, below 1"),
        ({"fraction": 1.0}, ValueError, r"noise_scale: fraction: expected a number in \(0, 1\)"),
        ({"fraction": 0}, ValueError, r"noise_scale: fraction: expected a number in \(0, 1\)"),
        ({"fraction": "half"}, TypeError, "it sets a shape, so it cannot be traced"),
    )
    trainer = pj.train_step(lambda p, b, k: (jnp.sum(p**2), {}), optax.sgd(0.1), [noise_scale()])
    state, uneven = trainer.init(key, jnp.zeros(2)), {"x": jnp.ones((4, 2)), "y": jnp.ones(3)}
    assert_refused(
        lambda *batch: trainer.step(state, *batch),
        (jnp.ones((1, 2)), ValueError, "noise_scale: expected a batch of at least 2 rows, got 1"),
        ((uneven,), ValueError, "noise_scale: expected leaves of one length"),
        (
            None,
            ValueError,
            r"noise_scale: expected a batch of arrays \[rows, ...\], got an empty tree",
        ),
    )


def test_a_stateful_estimator_gets_its_state(key):
    def loss_fn(params, count, batch, key):
        loss, metrics = to_the_mean(params, batch, key)
        return loss * count, (count + 1, metrics)

    batch = 1 + np.random.default_rng(6).normal(size=(8, 2)).astype(np.float32)
    trainer = pj.train_step(loss_fn, optax.set_to_zero(), [noise_scale(1)], stateful=True)
    state = trainer.init(key, jnp.zeros(2), jnp.float32(1))
    state, _ = jax.jit(trainer.step)(state, batch)
    first = state.hook_state[0]
    assert float(state.model_state) == 2  # the measurement leaves no trace in it
    state, _ = jax.jit(trainer.step)(state, batch)
    expected = jax.tree.map(lambda value: (0.95 + 4) * value, first)
    chex.assert_trees_all_close(state.hook_state[0], expected, rtol=1e-5)
