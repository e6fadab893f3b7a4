"""Differential privacy: every row's gradient clipped, those drawn summed, the sum noised."""

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

CLIP_NORM, NOISE, RATE = 1.0, 2.0, 0.1


def losses(page):
    data = jax.tree.map(jnp.asarray, page["splits"].train)
    key = jax.random.split(page["key"])[0]
    rows = len(data["y"])
    tx = optax.sgd(1.0)

    def scalar(params, x, y):
        logits = page["model"].apply(params, x[None])[0]
        return optax.losses.softmax_cross_entropy_with_integer_labels(logits, y)

    def clipped(params, x, y):
        loss, grads = jax.value_and_grad(scalar)(params, x, y)
        scale = jnp.minimum(1.0, CLIP_NORM / optax.tree.norm(grads))
        return loss, jax.tree.map(lambda leaf: scale * leaf, grads)

    def noise_like(params, number):
        # an estimator draws from this fold of the step's key, for all leaves at once
        noise_key = jax.random.fold_in(jax.random.fold_in(key, number), jnp.uint32(0xD1EC0000))
        flat, unflatten = ravel_pytree(params)
        return unflatten(NOISE * CLIP_NORM * jax.random.normal(noise_key, flat.shape))

    def drawn_at(number):
        # the rows of a step come from a key of their own
        rows_key = jax.random.fold_in(jax.random.fold_in(key, jnp.uint32(0x5A3B0000)), number)
        return jax.random.bits(rows_key, (rows,), jnp.uint32) < jnp.uint32(int(RATE * 2**32))

    def step(carry, number):
        params, opt_state = carry
        each, grads = jax.vmap(clipped, (None, 0, 0))(params, data["x"], data["y"])
        drawn = drawn_at(number).astype(jnp.float32)
        sums = jax.tree.map(lambda leaf: jnp.tensordot(drawn, leaf, 1), grads)
        noise = noise_like(params, number)
        grads = jax.tree.map(lambda total, xi: (total + xi) / (RATE * rows), sums, noise)
        updates, opt_state = tx.update(grads, opt_state)
        return (optax.apply_updates(params, updates), opt_state), (drawn @ each) / drawn.sum()

    return jax.lax.scan(step, (page["params"], tx.init(page["params"])), jnp.arange(200))[1]
