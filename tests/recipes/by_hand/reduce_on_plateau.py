"""Reduce on plateau: the loss of the batch is the value that is judged."""

import jax
import jax.numpy as jnp
import optax

from paramjax.data import batch_order


def losses(page):
    data = jax.tree.map(jnp.asarray, page["splits"].train)
    _, data_key = jax.random.split(page["key"])
    order = batch_order(data_key, len(data["y"]), batch_size=16, steps=840)
    plateau = optax.contrib.reduce_on_plateau(factor=0.5, patience=4, accumulation_size=21)
    tx = optax.chain(optax.sgd(1.0), plateau)

    def scalar(params, batch):
        logits = page["model"].apply(params, batch["x"])[:, 0]
        fits = optax.losses.sigmoid_binary_cross_entropy(logits, batch["y"]).mean()
        return fits + 0.005 * optax.tree.norm(params, squared=True)

    def step(carry, rows):
        params, opt_state = carry
        batch = jax.tree.map(lambda leaf: leaf[rows], data)
        loss, grads = jax.value_and_grad(scalar)(params, batch)
        updates, opt_state = tx.update(grads, opt_state, params, value=loss)
        return (optax.apply_updates(params, updates), opt_state), loss

    return jax.lax.scan(step, (page["params"], tx.init(page["params"])), order)[1]
