"""Sharpness-aware minimisation: two gradients a step, with optax's base optimizer alone."""

import jax
import jax.numpy as jnp
import optax

from paramjax.data import batch_order


def losses(page):
    data = jax.tree.map(jnp.asarray, page["splits"].train)
    _, data_key = jax.random.split(page["key"])
    order = batch_order(data_key, len(data["y"]), batch_size=128, steps=400)
    tx = optax.sgd(0.1, momentum=0.9)

    def scalar(params, batch):
        logits = page["model"].apply(params, batch["x"])
        return optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch["y"]).mean()

    def step(carry, rows):
        params, opt_state = carry
        batch = jax.tree.map(lambda leaf: leaf[rows], data)
        loss, grads = jax.value_and_grad(scalar)(params, batch)
        norm = optax.tree.norm(grads)
        climbed = jax.tree.map(lambda p, g: p + 0.1 * (g / norm), params, grads)
        updates, opt_state = tx.update(jax.grad(scalar)(climbed, batch), opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), loss

    return jax.lax.scan(step, (page["params"], tx.init(page["params"])), order)[1]
