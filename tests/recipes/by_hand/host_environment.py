"""REINFORCE written out: returns by a loop, the gradient of a sum over the walks.

The losses are minus the returns, which the parameters of every step before decide.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax


def losses(page):
    params, tx = jnp.zeros((page["PLACES"], 2)), optax.adam(0.1)
    opt_state = tx.init(params)

    @jax.jit
    def step(params, opt_state, walks, advantage):
        def surrogate(params):
            log_p = jax.nn.log_softmax(params)[walks["place"], walks["action"]]
            return -jnp.sum(walks["walks"] * advantage * log_p) / 64

        grads = jax.grad(surrogate)(params)
        updates, opt_state = tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    history = []
    for number in range(100):
        key = jax.random.fold_in(jax.random.key(1), number)

        def act(place, time, params=params, key=key):
            return np.asarray(page["sample"](params, place, jax.random.fold_in(key, time)))

        walks = page["play"](act)
        returns = np.zeros((page["HORIZON"] + 1, 64))
        for time in reversed(range(page["HORIZON"])):
            returns[time] = walks["reward"][time] + 0.9 * returns[time + 1]
        advantage = returns[:-1] - returns[:-1].mean(axis=1, keepdims=True)
        params, opt_state = step(params, opt_state, walks, advantage.astype(np.float32))
        history.append(-returns[0].mean())
    return np.array(history)
