"""Gradient accumulation: sums over microbatches, divided once by the sum of the weights."""

import jax
import jax.numpy as jnp
import optax

from paramjax.data import batch_order


def losses(page):
    data = jax.tree.map(jnp.asarray, page["train"])
    _, data_key = jax.random.split(page["key"])
    order = batch_order(data_key, len(data["y"]), batch_size=256, steps=200)
    tx = optax.adam(1e-3)

    def weighted_sum(params, batch):
        logits = page["model"].apply(params, batch["x"])[:, 0]
        each = optax.losses.sigmoid_binary_cross_entropy(logits, batch["y"])
        return (batch["weight"] * each).sum()

    def add(sums, rows, params):
        batch = jax.tree.map(lambda leaf: leaf[rows], data)
        loss, grads = jax.value_and_grad(weighted_sum)(params, batch)
        return jax.tree.map(jnp.add, sums, (loss, grads, batch["weight"].sum())), None

    def step(carry, rows):
        params, opt_state = carry
        zeros = jax.tree.map(jnp.zeros_like, (0.0, params, 0.0))
        sums, _ = jax.lax.scan(lambda sums, rows: add(sums, rows, params), zeros, rows)
        loss, grads, total = sums
        grads = jax.tree.map(lambda leaf: leaf / total, grads)
        updates, opt_state = tx.update(grads, opt_state)
        return (optax.apply_updates(params, updates), opt_state), loss / total

    start = page["params"], tx.init(page["params"])
    return jax.lax.scan(step, start, order.reshape(200, 64, 4))[1]
