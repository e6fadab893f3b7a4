"""Schedule-free: the gradient at y, which optax keeps as the parameters."""

import jax
import jax.numpy as jnp
import optax

from paramjax.data import batch_order

# the last losses are a thousandth of the first, so that rounding shows
RTOL = 3e-5


def losses(page):
    data = jax.tree.map(jnp.asarray, page["splits"].train)
    _, data_key = jax.random.split(page["key"])
    order = batch_order(data_key, len(data["y"]), batch_size=32, steps=400)
    tx = optax.contrib.schedule_free_adamw(0.05, b1=0.9, warmup_steps=25)

    def scalar(params, batch):
        logits = page["model"].apply(params, batch["x"])
        return optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch["y"]).mean()

    def step(carry, rows):
        params, opt_state = carry
        batch = jax.tree.map(lambda leaf: leaf[rows], data)
        loss, grads = jax.value_and_grad(scalar)(params, batch)
        updates, opt_state = tx.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), loss

    return jax.lax.scan(step, (page["params"], tx.init(page["params"])), order)[1]
