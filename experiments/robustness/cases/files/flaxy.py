"""A file of a user, see files_of_a_user.py."""

from __future__ import annotations

import flax
import jax
import jax.numpy as jnp
import optax


@flax.struct.dataclass
class State:
    """What a rule keeps."""

    momentum: optax.Updates


def mine(learning_rate):
    def init(params):
        return State(jax.tree.map(jnp.zeros_like, params))

    def update(grads, state, params=None):
        m = jax.tree.map(lambda a, g: 0.9 * a + g, state.momentum, grads)
        return jax.tree.map(lambda a: -learning_rate * a, m), State(m)

    return optax.GradientTransformation(init, update)
