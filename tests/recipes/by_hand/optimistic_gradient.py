"""Optimistic gradient descent-ascent: both gradients at one point, one update for both."""

import jax
import optax


def losses(page):
    data = jax.numpy.asarray(page["data"])
    tx = optax.optimistic_gradient_descent(0.1)

    def value(generator, critic):
        return critic @ (data.mean(0) - generator)

    def step(carry, _):
        players, opt_state = carry
        loss, (down, up) = jax.value_and_grad(value, (0, 1))(*players)
        updates, opt_state = tx.update((down, -up), opt_state, players)
        return (optax.apply_updates(players, updates), opt_state), loss

    players = page["params"]["generator"], page["params"]["critic"]
    return jax.lax.scan(step, (players, tx.init(players)), length=1000)[1]
