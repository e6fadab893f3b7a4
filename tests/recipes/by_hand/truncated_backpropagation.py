"""Truncated backpropagation with flax's own recurrent layer, window after window."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax


def losses(page):
    memory, head = nn.RNN(nn.OptimizedLSTMCell(32), return_carry=True), nn.Dense(1)
    params, tx = page["params"], optax.adam(1e-2)
    opt_state, carry = tx.init(params), (jnp.zeros((32, 32)), jnp.zeros((32, 32)))

    def loss_fn(params, carry, x, y):
        carry, outputs = memory.apply(params["memory"], x, initial_carry=carry)
        logits = head.apply(params["head"], outputs)[..., 0]
        return optax.sigmoid_binary_cross_entropy(logits, y).mean(), carry

    @jax.jit
    def step(params, opt_state, carry, x, y):
        (loss, carry), grads = jax.value_and_grad(loss_fn, has_aux=True)(params, carry, x, y)
        updates, opt_state = tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, carry, loss

    history = []
    for start in range(0, 8 * 100, 8):
        x, y = page["bits"][:, start : start + 8, None], page["echo"][:, start : start + 8]
        params, opt_state, carry, loss = step(params, opt_state, carry, x, y)
        history.append(loss)
    return np.array(history)
