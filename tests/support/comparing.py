"""Comparisons of pytrees of arrays."""

import jax
import jax.numpy as jnp
import numpy as np


def assert_close(ours, theirs, atol=1e-5):
    """Equal shapes, and values equal to `atol` of the largest: sums of up to a hundred terms."""

    def check(a, b):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, atol=atol * max(1.0, float(jnp.abs(b).max())))

    jax.tree.map(check, ours, theirs)


def at(tree, index):
    """Every leaf at an index."""
    return jax.tree.map(lambda leaf: leaf[index], tree)


def second_derivatives(apply):
    """`(params, x) ->` outputs, gradients of a bent loss, and their change in a direction."""

    def derivatives(params, x):
        gradient = jax.grad(lambda p, x: jnp.sum(jnp.sin(apply(p, x))), (0, 1))
        direction = (jax.tree.map(jnp.cos, params), x + 1)
        return apply(params, x), jax.jvp(gradient, (params, x), direction)

    return derivatives
