import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramjax.models import Conv

# what a layout is guessed by and how programs are compiled shows in nothing but time
from paramjax.populations._compiler_options import (
    RUN_OFTEN,
    RUN_ONCE,
    compiled,
    for_backend,
)
from paramjax.populations.planning._guess import operations

BATCH, SIDE, CHANNELS, FEATURES = 2, 8, 3, 5
PRODUCTS = 2 * BATCH * SIDE**2 * 9 * CHANNELS * FEATURES


def test_the_operations_of_a_convolution_are_its_products():
    """Both gradients count as much as the convolution, and mapped runs count each."""
    conv, x = Conv(FEATURES, use_bias=False), jnp.ones((BATCH, SIDE, SIDE, CHANNELS))
    params = conv.init(jax.random.key(0), x)
    gradient = jax.grad(lambda params, x: conv.apply(params, x).sum(), argnums=(0, 1))
    many = jax.tree.map(lambda leaf: jnp.stack([leaf] * 4), params)
    for function, inputs, times in (
        (conv.apply, params, 1),
        (gradient, params, 3),
        (jax.vmap(conv.apply, (0, None)), many, 4),
    ):
        counted = operations(jax.make_jaxpr(function)(inputs, x))
        assert times * PRODUCTS <= counted <= 1.1 * times * PRODUCTS


def noise(key, rows):
    """The operations of starts and orders: normal numbers and permutations."""
    one, two = jax.random.split(key)
    return jax.random.truncated_normal(one, -2, 2, (rows, 3)), jax.random.permutation(two, rows)


def test_a_program_that_runs_once_gives_the_bits_of_another(key):
    as_users_compile = {"xla_backend_optimization_level": 3}
    lowered = jax.jit(noise, static_argnums=1).lower(key, 50)
    hurried, expected = (compiled(lowered, own)(key) for own in (RUN_ONCE, as_users_compile))
    jax.tree.map(np.testing.assert_array_equal, hurried, expected)


def test_only_options_that_this_backend_knows_are_passed(monkeypatch):
    lowered = jax.jit(lambda x: x + 1).lower(1.0)
    assert compiled(lowered, {**RUN_OFTEN, "xla_cpu_of_another_version": 1})(1.0) == 2.0
    assert for_backend({"xla_cpu_of_another_version": 1}) == {}
    with pytest.raises(jax.errors.JaxRuntimeError, match="xla_backend_optimization_level"):
        for_backend({"xla_backend_optimization_level": "much"})
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert for_backend(RUN_ONCE) is None
    assert for_backend(RUN_OFTEN) is None
