"""What tests of gradient estimators share."""

import jax
import jax.numpy as jnp
import numpy as np

POINT = jnp.array([0.5, 1.0, -1.0])
SLOPE = jnp.array([1.0, -2.0, 0.5])


def quartic(params, batch, key):
    """A loss whose gradient is 4 p^3."""
    return jnp.sum(params**4), {"first": params[0]}


def perceptron(params, batch, key):
    """A loss of layers `params` whose activations take the memory."""
    hidden = batch
    for w in params:
        hidden = jnp.tanh(hidden @ w)
    return jnp.mean(hidden**2), {}


def temporary_bytes(function, *arguments):
    """The memory for intermediate results of a compiled function."""
    compiled = jax.jit(function).lower(*arguments).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def estimates(grad_fn, params, key, count=20_000):
    """Independent gradients `[count, size]` of a loss that takes no batch."""
    keys = jax.random.split(key, count)
    return np.asarray(jax.jit(jax.vmap(lambda key: grad_fn(params, None, key)[0]))(keys), float)
