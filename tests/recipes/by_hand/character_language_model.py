"""Character-level language model: next letters of windows of a text."""

import jax
import optax

from paramjax.data import batch_order


def losses(page):
    data = jax.tree.map(jax.numpy.asarray, page["data"])
    _, data_key = jax.random.split(page["key"])
    order = batch_order(data_key, len(data["y"]), batch_size=8, steps=300)
    schedule = optax.schedules.warmup_cosine_decay_schedule(0.0, 0.003, 30, 300)
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule))

    def scalar(params, batch):
        logits = page["model"].apply(params, batch["x"])
        every = optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch["y"])
        return every.mean()

    def step(carry, rows):
        params, opt_state = carry
        batch = jax.tree.map(lambda leaf: leaf[rows], data)
        loss, grads = jax.value_and_grad(scalar)(params, batch)
        updates, opt_state = tx.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), loss

    return jax.lax.scan(step, (page["params"], tx.init(page["params"])), order)[1]
