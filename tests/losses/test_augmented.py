import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramjax.losses import augmented


def noisy(key, batch):
    return {**batch, "x": batch["x"] + jax.random.normal(key, batch["x"].shape)}


def dropped(params, batch, key):
    kept = jax.random.bernoulli(key, 0.5, batch["x"].shape)
    return jnp.sum(params * batch["x"] * kept), {"x": batch["x"]}


def test_augment_and_loss_draw_from_the_two_halves_of_the_key(key):
    batch = {"x": jnp.arange(4.0)}
    first, second = jax.random.split(key)
    noise, kept = jax.random.normal(first, (4,)), jax.random.bernoulli(second, 0.5, (4,))
    grads, metrics = jax.grad(augmented(dropped, noisy), has_aux=True)(jnp.ones(4), batch, key)
    np.testing.assert_allclose(grads, (jnp.arange(4.0) + noise) * kept, rtol=1e-6)
    np.testing.assert_allclose(metrics["x"], jnp.arange(4.0) + noise, rtol=1e-6)


def test_each_step_draws_anew_under_scan_and_vmap(key):
    loss_fn = augmented(dropped, noisy)
    batch = {"x": jnp.zeros(2)}
    draw = lambda key: loss_fn(jnp.ones(2), batch, key)[1]["x"]
    keys = jax.random.split(key, 3)
    _, scanned = jax.lax.scan(lambda carry, key: (carry, draw(key)), 0, keys)
    np.testing.assert_allclose(scanned, jax.vmap(draw)(keys), rtol=1e-6)
    assert len(np.unique(scanned)) == 6


def test_shapes_and_names_may_change_and_state_is_handed_through(key):
    def mixup(key, batch):
        return {"x": batch["x"][:1], "other": batch["x"][1:]}

    def loss_fn(params, model_state, batch, key):
        return jnp.sum(params * (batch["x"] + batch["other"])), (model_state + 1, {})

    loss, aux = augmented(loss_fn, mixup)(jnp.ones(1), 4, {"x": jnp.array([2.0, 3.0])}, key)
    assert (float(loss), aux) == (5.0, (5, {}))


def test_an_augmentation_is_a_function_that_returns_the_batch(key):
    with pytest.raises(TypeError, match=r"augment: expected a function \(key, batch\) -> batch"):
        augmented(dropped, 0.1)
    with pytest.raises(TypeError, match="augment returned None; return the batch"):
        augmented(dropped, lambda key, batch: None)(jnp.ones(1), {"x": jnp.ones(1)}, key)
