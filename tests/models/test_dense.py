# the product alone is tested for its derivatives and its lowering, so its module is imported here

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import assert_close, at
from jax import lax

from paramjax.models import Dense
from paramjax.models._dense import NARROW, product


def theirs(x, kernel):
    return lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())))


def operands(key, outputs, shape=(6, 20)):
    one, two = jax.random.split(key)
    return jax.random.normal(one, shape), jax.random.normal(two, (shape[-1], outputs))


def square(form):
    return lambda x, kernel: 0.5 * jnp.sum(jnp.sin(form(x, kernel)) ** 2)


@pytest.mark.parametrize("outputs", [1, 2, NARROW, NARROW + 1])
@pytest.mark.parametrize("shape", [(20,), (6, 20), (2, 3, 20)], ids=["one", "rows", "axes"])
def test_values_and_gradients_equal_the_plain_product(key, outputs, shape):
    given = operands(key, outputs, shape)
    both = [jax.jit(jax.value_and_grad(square(f), (0, 1)))(*given) for f in (product, theirs)]
    assert_close(*both)


@pytest.mark.parametrize("outer", [jax.jacfwd, jax.jacrev], ids=["forward", "reverse"])
def test_second_derivatives_in_both_modes(key, outer):
    given = operands(key, 3)
    both = [jax.jit(outer(jax.grad(square(f), 1), (0, 1)))(*given) for f in (product, theirs)]
    assert_close(*both, atol=1e-4)


@pytest.mark.parametrize("axes", [(0, 0), (None, 0), (0, None)])
def test_a_population_equals_its_runs(key, axes):
    stacked = jax.vmap(lambda key: operands(key, 3))(jax.random.split(key, 4))
    given = [v if axis == 0 else v[0] for v, axis in zip(stacked, axes, strict=True)]
    gradient = jax.grad(square(product), (0, 1))
    together, alone = jax.jit(jax.vmap(gradient, axes))(*given), jax.jit(gradient)
    for run in range(4):
        own = (v[run] if axis == 0 else v for v, axis in zip(given, axes, strict=True))
        assert_close(at(together, run), alone(*own))


@pytest.mark.parametrize("settings", [{}, {"use_bias": False}, {"dtype": jnp.bfloat16}])
def test_the_layer_has_the_names_parameters_and_values_of_flax(key, settings):
    class Two(nn.Module):
        layer: type[nn.Module]

        @nn.compact
        def __call__(self, x):
            return self.layer(7, **settings)(self.layer(30, **settings)(x))

    x = jax.random.normal(key, (5, 30))
    ours, others = Two(Dense), Two(nn.Dense)
    params = ours.init(key, x)
    jax.tree.map(np.testing.assert_array_equal, params, others.init(key, x))
    found, expected = ours.apply(params, x), others.apply(params, x)
    assert found.dtype == expected.dtype
    found, expected = (v.astype(jnp.float32) for v in (found, expected))
    assert_close(found, expected, atol=2e-2 if "dtype" in settings else 1e-6)


def barriers(platform, x, kernel):
    traced = jax.jit(jax.grad(square(product), 1)).trace(x, kernel)
    return traced.lower(lowering_platforms=(platform,)).as_text().count("optimization_barrier")


def test_narrow_layers_are_kept_transposed_on_a_cpu_alone(key):
    narrow, wide = operands(key, 10), operands(key, NARROW + 1)
    assert barriers("cpu", *narrow) > 0
    assert [barriers(platform, *narrow) for platform in ("cuda", "rocm", "tpu")] == [0, 0, 0]
    assert barriers("cpu", *wide) == barriers("cpu", *operands(key, 10, (6, 8))) == 0


def test_precision_is_passed_on(key):
    text = str(jax.make_jaxpr(lambda x, k: product(x, k, precision="highest"))(*operands(key, 3)))
    assert "Precision.HIGHEST" in text
