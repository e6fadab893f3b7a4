"""Adversarial training: projected sign-gradient ascent written out, random start included."""

import jax
import jax.numpy as jnp
import optax

from paramjax.data import batch_order

RADIUS, STEP_SIZE, ASCENT_STEPS = 0.15, 0.06, 4


def losses(page):
    data = jax.tree.map(jnp.asarray, page["splits"].train)
    state_key, data_key = jax.random.split(page["key"])
    order = batch_order(data_key, len(data["y"]), batch_size=64, steps=300)
    tx = optax.adam(3e-3)

    def scalar(params, x, y):
        logits = page["model"].apply(params, x)
        return optax.losses.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    def worst(params, x, y, key):
        low, high = jnp.maximum(x - RADIUS, 0.0), jnp.minimum(x + RADIUS, 1.0)
        # an estimator draws from this fold of the step's key, the loss from the key itself
        share = jax.random.uniform(jax.random.fold_in(key, jnp.uint32(0xD1EC0000)), x.shape)
        moved = low + share * (high - low)
        for _ in range(ASCENT_STEPS):
            slope = jax.grad(scalar, argnums=1)(params, moved, y)
            moved = jnp.clip(moved + STEP_SIZE * jnp.sign(slope), low, high)
        return moved

    def step(carry, number_and_rows):
        params, opt_state = carry
        number, rows = number_and_rows
        x, y = data["x"][rows], data["y"][rows]
        moved = worst(params, x, y, jax.random.fold_in(state_key, number))
        loss, grads = jax.value_and_grad(scalar)(params, moved, y)
        updates, opt_state = tx.update(grads, opt_state)
        return (optax.apply_updates(params, updates), opt_state), loss

    start = page["params"], tx.init(page["params"])
    return jax.lax.scan(step, start, (jnp.arange(300), order))[1]
