"""Meta-learning: the gradient of the query loss through one step on the support rows."""

import jax
import jax.numpy as jnp
import optax

from paramjax.data import batch_order


def losses(page):
    data = jax.tree.map(jnp.asarray, page["tasks"])
    _, data_key = jax.random.split(page["key"])
    order = batch_order(data_key, 10_000, batch_size=25, steps=1000)
    tx = optax.adam(3e-3)

    def squares(params, rows):
        return jnp.mean((page["model"].apply(params, rows["x"]) - rows["y"]) ** 2)

    def of_task(params, task):
        grads = jax.grad(squares)(params, task["support"])
        adapted = jax.tree.map(lambda p, g: p - 0.01 * g, params, grads)
        return squares(adapted, task["query"])

    def scalar(params, tasks):
        return jax.vmap(of_task, (None, 0))(params, tasks).mean()

    def step(carry, rows):
        params, opt_state = carry
        tasks = jax.tree.map(lambda leaf: leaf[rows], data)
        loss, grads = jax.value_and_grad(scalar)(params, tasks)
        updates, opt_state = tx.update(grads, opt_state)
        return (optax.apply_updates(params, updates), opt_state), loss

    return jax.lax.scan(step, (page["params"], tx.init(page["params"])), order)[1]
