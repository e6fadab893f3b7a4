"""Federated averaging: draw clients, train each from the server's parameters, take the mean."""

import jax
import optax

from paramjax.data import batch_order


def losses(page):
    data = jax.tree.map(jax.numpy.asarray, page["deals"]["by label"])
    clients, rows = data["y"].shape
    tx = optax.sgd(0.1)

    def scalar(params, batch):
        logits = page["model"].apply(params, batch["x"])
        return optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch["y"]).mean()

    def local(params, own, key):
        order_key, _ = jax.random.split(key)

        def step(carry, chosen):
            params, opt_state = carry
            batch = jax.tree.map(lambda leaf: leaf[chosen], own)
            loss, grads = jax.value_and_grad(scalar)(params, batch)
            updates, opt_state = tx.update(grads, opt_state, params)
            return (optax.apply_updates(params, updates), opt_state), loss

        order = batch_order(order_key, rows, batch_size=10, steps=25)
        (params, _), losses = jax.lax.scan(step, (params, tx.init(params)), order)
        return params, losses[0]

    def a_round(params, key):
        draw_key, key = jax.random.split(key)
        chosen = jax.random.choice(draw_key, clients, (5,), replace=False)
        drawn = jax.tree.map(lambda leaf: leaf[chosen], data)
        ends, losses = jax.vmap(local, (None, 0, 0))(params, drawn, jax.random.split(key, 5))
        moves = jax.tree.map(lambda end, start: (end - start[None]).mean(0), ends, params)
        return optax.apply_updates(params, moves), losses.mean()

    state_key, _ = jax.random.split(page["key"])
    keys = jax.vmap(lambda t: jax.random.fold_in(state_key, t))(jax.numpy.arange(100))
    return jax.lax.scan(a_round, page["params"], keys)[1]
