"""Arithmetic of traced functions against what is counted by hand."""

import jax
import jax.numpy as jnp
import pytest

from paramjax.models import Conv
from paramjax.populations.planning._work import operations

BATCH, SIDE, CHANNELS, FEATURES = 2, 8, 3, 5
PRODUCTS = 2 * BATCH * SIDE**2 * 9 * CHANNELS * FEATURES


@pytest.fixture
def layer():
    conv = Conv(FEATURES, use_bias=False)
    x = jnp.ones((BATCH, SIDE, SIDE, CHANNELS))
    return conv.apply, conv.init(jax.random.key(0), x), x


def test_a_convolution_counts_its_products(layer):
    apply, params, x = layer
    counted = operations(jax.make_jaxpr(apply)(params, x))
    assert PRODUCTS <= counted <= 1.1 * PRODUCTS


def test_both_gradients_count_as_much_each(layer):
    apply, params, x = layer
    gradient = jax.grad(lambda params, x: apply(params, x).sum(), argnums=(0, 1))
    counted = operations(jax.make_jaxpr(gradient)(params, x))
    assert 3 * PRODUCTS <= counted <= 1.1 * 3 * PRODUCTS


def test_runs_count_each(layer):
    apply, params, x = layer
    many = jax.tree.map(lambda leaf: jnp.stack([leaf] * 4), params)
    counted = operations(jax.make_jaxpr(jax.vmap(apply, (0, None)))(many, x))
    assert 4 * PRODUCTS <= counted <= 1.1 * 4 * PRODUCTS
