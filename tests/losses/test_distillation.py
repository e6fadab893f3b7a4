import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from refusing import assert_refused
from stepping import run_steps

import paramjax as pj
from paramjax.losses import distillation

X = jnp.linspace(-1, 1, 12).reshape(4, 3)
Y = jnp.array([0, 2, 1, 1])
BATCH = {"x": X, "y": Y}


def linear(w, x):
    return x @ w


@pytest.fixture
def weights(key):
    return jax.random.normal(key, (3, 3)), 2 * jax.random.normal(jax.random.fold_in(key, 1), (3, 3))


def by_hand(params, teacher, temperature, mixing):
    soft = jax.nn.softmax(X @ teacher / temperature)
    log_q = jax.nn.log_softmax(X @ params / temperature)
    kl = optax.losses.kl_divergence(log_q, soft).mean()
    hard = optax.losses.softmax_cross_entropy_with_integer_labels(X @ params, Y).mean()
    return mixing * temperature**2 * kl + (1 - mixing) * hard


def test_loss_and_gradient_are_those_written_with_optax_and_traced(weights):
    def ours(params, temperature, mixing):
        loss_fn = distillation(linear, linear, temperature, mixing)
        return loss_fn(params, weights[1], BATCH, None)

    numbers = jnp.array([3.0, 1.0, 4.0]), jnp.array([0.0, 0.3, 1.0])
    value = jax.value_and_grad(ours, has_aux=True)
    (loss, (kept, metrics)), grads = jax.jit(jax.vmap(value, (None, 0, 0)))(weights[0], *numbers)
    hand = jax.jit(jax.vmap(jax.value_and_grad(by_hand), (None, None, 0, 0)))
    expected = hand(*weights, *numbers)
    np.testing.assert_allclose(loss, expected[0], rtol=1e-5)
    np.testing.assert_allclose(grads, expected[1], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(kept[0], weights[1])
    assert float(metrics["accuracy"][0]) == float(jnp.mean((X @ weights[0]).argmax(1) == Y))
    temperature, mixing = numbers
    soft, hard = metrics["divergence"], metrics["cross_entropy"]
    np.testing.assert_allclose(
        mixing * temperature**2 * soft + (1 - mixing) * hard, loss, rtol=1e-6
    )


def test_a_high_temperature_matches_logits(weights):
    # Hinton et al. (2015, eq. 4): the gradient tends to (z - v) / N for logits of mean zero
    z, v = (leaf - leaf.mean(axis=1, keepdims=True) for leaf in weights)
    loss_fn = distillation(lambda z, x: z, lambda v, x: v, temperature=100.0, mixing=1.0)
    batch = {"x": None, "y": jnp.array([0, 1, 2])}
    grads = jax.jit(jax.grad(loss_fn, has_aux=True))(z, v, batch, None)[0]
    np.testing.assert_allclose(grads * 3, (z - v) / 3, atol=0.02)  # of order 1 / T


def test_the_teacher_is_not_differentiated_where_it_shares_the_parameters(weights):
    params, _ = weights
    loss_fn = distillation(linear, linear, mixing=1.0)
    shared = jax.jit(jax.grad(lambda w: loss_fn(w, 2 * w, BATCH, None)[0]))(params)
    separate = jax.jit(jax.grad(lambda w, v: loss_fn(w, v, BATCH, None)[0]))(params, 2 * params)
    np.testing.assert_array_equal(shared, separate)


def test_the_teacher_travels_in_the_state_and_is_no_constant(weights, key):
    params, teacher = weights
    trainer = pj.train_step(distillation(linear, linear), optax.sgd(0.1), stateful=True)
    state = trainer.init(key, params, model_state=teacher)
    # the closed-over batch and the scalars are constants, the teacher is not
    sizes = [np.size(c) for c in jax.make_jaxpr(trainer.step)(state, BATCH).consts]
    assert max(sizes, default=0) <= 1
    batches = jax.tree.map(lambda leaf: jnp.stack([leaf] * 4), BATCH)
    state, history = run_steps(trainer, params, key, batches, model_state=teacher)
    np.testing.assert_array_equal(state.model_state, teacher)
    assert history["loss"][-1] < history["loss"][0]


def test_what_does_not_fit_is_refused():
    assert_refused(
        distillation,
        ((linear, jnp.ones((3, 3))), TypeError, "teacher: expected a function"),
        ((linear, linear, 0.0), ValueError, "temperature: expected a number from 1e-30, finite"),
        ((linear, linear, 1.0, 1.5), ValueError, "mixing: expected a number from 0, to 1"),
    )
    with pytest.raises(ValueError, match=r"logits of one shape, got \(4, 3\) and \(4, 2\)"):
        distillation(linear, linear)(jnp.ones((3, 3)), jnp.ones((3, 2)), BATCH, None)


def test_the_divergence_at_each_position_is_over_the_classes(key):
    p, q = jax.random.normal(key, (2, 2, 4, 3))
    labels = jnp.arange(8).reshape(2, 4) % 3
    loss_fn = distillation(lambda w, x: q, lambda w, x: p, temperature=1.0, mixing=1.0)
    metrics = jax.jit(loss_fn)(None, None, {"x": None, "y": labels}, None)[1][1]
    expected = optax.losses.kl_divergence(jax.nn.log_softmax(q), jax.nn.softmax(p)).mean()
    assert float(metrics["divergence"]) == pytest.approx(float(expected), rel=1e-5)
