"""Evolution strategies: the loss on both sides of normal directions, times the directions."""

import jax
import jax.numpy as jnp
import optax


def losses(page):
    sigma, pairs = 0.5, 256
    tx = optax.sgd(optax.schedules.cosine_decay_schedule(0.03, 300))

    def value(params):
        return jnp.sum(params**2 + 10 * (1 - jnp.cos(2 * jnp.pi * params)))

    def pair(params, key):
        epsilon = jax.random.normal(key, params.shape)
        up, down = value(params + sigma * epsilon), value(params - sigma * epsilon)
        return (up - down) / (2 * sigma) * epsilon, (up + down) / 2

    def step(carry, key):
        params, opt_state = carry
        # an estimator draws beside the step's key, which belongs to the loss
        keys = jax.random.split(jax.random.fold_in(key, 0xD1EC0000), pairs)
        grads, means = jax.vmap(pair, (None, 0))(params, keys)
        updates, opt_state = tx.update(grads.mean(0), opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), means.mean()

    state_key, _ = jax.random.split(page["key"])
    keys = jax.vmap(lambda t: jax.random.fold_in(state_key, t))(jnp.arange(300))
    return jax.lax.scan(step, (page["params"], tx.init(page["params"])), keys)[1]
