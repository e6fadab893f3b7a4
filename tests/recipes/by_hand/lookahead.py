"""Lookahead: the gradient at the fast weights, both weights moved by one update."""

import jax
import jax.numpy as jnp
import optax

from paramjax.data import batch_order


def losses(page):
    data = jax.tree.map(jnp.asarray, page["splits"].train)
    _, data_key = jax.random.split(page["key"])
    order = batch_order(data_key, len(data["y"]), batch_size=32, steps=302)
    tx = optax.lookahead(optax.sgd(0.2, momentum=0.9), sync_period=5, slow_step_size=0.5)

    def scalar(params, batch):
        logits = page["model"].apply(params, batch["x"])
        return optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch["y"]).mean()

    def step(carry, rows):
        pair, opt_state = carry
        batch = jax.tree.map(lambda leaf: leaf[rows], data)
        loss, grads = jax.value_and_grad(scalar)(pair.fast, batch)
        updates, opt_state = tx.update(grads, opt_state, pair)
        return (optax.apply_updates(pair, updates), opt_state), loss

    pair = optax.LookaheadParams.init_synced(page["params"])
    return jax.lax.scan(step, (pair, tx.init(pair)), order)[1]
