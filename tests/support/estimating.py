"""What tests of gradient estimators share."""

import jax
import jax.numpy as jnp
import numpy as np


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
