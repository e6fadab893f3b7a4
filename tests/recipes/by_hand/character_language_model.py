"""Character-level language model: next letters of windows of a text."""

import jax
import optax

from paramjax.data import batch_order


def losses(page):
    windows = jax.numpy.asarray(page["windows"])
    _, data_key = jax.random.split(page["key"])
    order = batch_order(data_key, len(windows), batch_size=8, steps=300)
    schedule = optax.schedules.warmup_cosine_decay_schedule(0.0, 0.005, 30, 300)
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule))

    def scalar(params, batch):
        logits = page["model"].apply(params, batch[:, :-1])
        every = optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch[:, 1:])
        return every.mean()

    def step(carry, rows):
        params, opt_state = carry
        loss, grads = jax.value_and_grad(scalar)(params, windows[rows])
        updates, opt_state = tx.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), loss

    return jax.lax.scan(step, (page["params"], tx.init(page["params"])), order)[1]
