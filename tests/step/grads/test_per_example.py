import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from refusing import assert_refused

import paramjax as pj
from paramjax.step.grads import per_example


def test_each_row_has_its_own_gradient_and_the_mean_is_that_of_the_batch(line, line_loss, key):
    params = {"w": jnp.array([[0.7]]), "b": jnp.array([[-0.3]])}
    grads, loss, metrics = per_example(line_loss)(params, line, key)
    whole = pj.gradient(line_loss)(params, line, key)
    mean = jax.tree.map(lambda g: g.mean(0), grads)
    chex.assert_trees_all_close((mean, loss, metrics), whole, rtol=1e-5)
    errors = line["x"] * 0.7 - 0.3 - line["y"]
    np.testing.assert_allclose(grads["w"][:, :, 0], 2 * errors * line["x"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(grads["b"][:, :, 0], 2 * errors, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:.*seed.*:DeprecationWarning")  # optax's own, no way around
def test_dpsgd_of_optax_through_a_step_equals_the_loop_by_hand(line, line_loss, line_params, key):
    tx = optax.contrib.dpsgd(0.1, l2_norm_clip=1.0, noise_multiplier=0.5, seed=7)
    grad_fn = per_example(line_loss)
    trainer = pj.train_step(grad_fn, tx)
    state, step = trainer.init(key, line_params), jax.jit(trainer.step)
    params, opt_state = line_params, tx.init(line_params)
    for _ in range(3):
        state, metrics = step(state, line)
        rows, _, _ = grad_fn(params, line, key)
        updates, opt_state = tx.update(rows, opt_state, params)
        params = optax.apply_updates(params, updates)
    chex.assert_trees_all_close(state.params, params, rtol=1e-5)
    assert metrics["grad_norm"].shape == ()


def test_every_row_has_its_own_key_and_the_line_search_the_same(key):
    noisy = lambda params, batch, key: (params * jax.random.normal(key), {})
    grad_fn = per_example(noisy)
    grads, loss, _ = grad_fn(jnp.float32(2.0), jnp.zeros(3), key)
    drawn = [float(jax.random.normal(jax.random.fold_in(key, i))) for i in range(3)]
    np.testing.assert_allclose(grads, drawn, rtol=1e-6)
    np.testing.assert_allclose(grad_fn.loss_fn(jnp.float32(2.0), jnp.zeros(3), key)[0], loss)


def test_model_state_is_that_of_the_whole_batch(key):
    def loss_fn(params, average, batch, key):
        return params * batch.sum() * average, (0.5 * average + batch.mean(), {})

    grads, _, (state, _) = per_example(loss_fn, stateful=True)(
        jnp.float32(1.0), jnp.float32(2.0), jnp.array([1.0, 3.0]), key
    )
    assert grads.tolist() == [2.0, 6.0]  # each row saw the state from before the step
    assert float(state) == 3.0


def test_what_has_no_rows_or_is_no_loss_is_refused(line_loss, line_params, key):
    vector, bare = lambda params, batch, key: (batch, {}), lambda params, batch, key: 0.0
    rows = jnp.zeros(3)
    assert_refused(
        lambda loss, batch=rows: per_example(loss)(line_params, batch, key),
        (
            (line_loss, {"x": jnp.float32(0)}),
            ValueError,
            "per_example: leaf x of the batch is a scalar",
        ),
        (pj.gradient(line_loss), TypeError, "per_example: expected a loss, .* got GradFn"),
        (vector, ValueError, r"per_example: expected a scalar loss, got shape \(1,\)"),
        (bare, TypeError, r"expected the loss to return \(loss, metrics\)"),
    )
