import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from paramjax.models import Dense
from paramjax.models._dense import NARROW, product

WIDTHS = [1, 2, 10, NARROW, NARROW + 1]


def theirs(x, kernel):
    return lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())))


def operands(key, outputs, shape=(6, 20)):
    one, two = jax.random.split(key)
    return jax.random.normal(one, shape), jax.random.normal(two, (shape[-1], outputs))


def square(form, x, kernel):
    return 0.5 * jnp.sum(jnp.sin(form(x, kernel)) ** 2)


@pytest.mark.parametrize("outputs", WIDTHS)
@pytest.mark.parametrize("shape", [(20,), (6, 20), (2, 3, 20)])
def test_values_and_gradients_equal_the_plain_product(key, outputs, shape):
    x, kernel = operands(key, outputs, shape)
    found, expected = (
        jax.jit(jax.value_and_grad(functools.partial(square, form), (0, 1)))(x, kernel)
        for form in (product, theirs)
    )
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5), found, expected
    )


@pytest.mark.parametrize("outputs", [2, NARROW])
def test_second_derivatives_in_both_modes(key, outputs):
    x, kernel = operands(key, outputs)
    for outer in (jax.jacfwd, jax.jacrev):
        found, expected = (
            jax.jit(outer(jax.grad(functools.partial(square, form), 1), (0, 1)))(x, kernel)
            for form in (product, theirs)
        )
        for own, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("axes", [(0, 0), (None, 0), (0, None)])
def test_a_population_equals_its_runs(key, axes):
    x, kernel = jax.vmap(lambda key: operands(key, 3))(jax.random.split(key, 4))
    given = [v if axis == 0 else v[0] for v, axis in zip((x, kernel), axes, strict=True)]
    gradient = jax.grad(functools.partial(square, product), (0, 1))
    together = jax.jit(jax.vmap(gradient, axes))(*given)
    for run in range(4):
        own = gradient(*(v[run] if axis == 0 else v for v, axis in zip(given, axes, strict=True)))
        for part, alone in zip(together, own, strict=True):
            np.testing.assert_allclose(part[run], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"use_bias": False}, {"dtype": jnp.bfloat16}])
def test_the_layer_has_the_parameters_and_values_of_flax(key, settings):
    x = jax.random.normal(key, (5, 30))
    mine, other = Dense(7, **settings), nn.Dense(7, **settings)
    params = mine.init(key, x)
    jax.tree.map(np.testing.assert_array_equal, params, other.init(key, x))
    found, expected = mine.apply(params, x), other.apply(params, x)
    assert found.dtype == expected.dtype
    tolerance = 1e-2 if settings.get("dtype") else 1e-6
    np.testing.assert_allclose(
        found.astype(jnp.float32), expected.astype(jnp.float32), rtol=tolerance, atol=tolerance
    )


def test_it_is_named_as_in_flax(key):
    class Two(nn.Module):
        layer: type[nn.Module]

        @nn.compact
        def __call__(self, x):
            return self.layer(2)(self.layer(8)(x))

    mine, other = (Two(layer).init(key, jnp.zeros((1, 4))) for layer in (Dense, nn.Dense))
    jax.tree.map(np.testing.assert_array_equal, mine, other)


def barriers(platform, x, kernel):
    traced = jax.jit(jax.grad(functools.partial(square, product), 1)).trace(x, kernel)
    return traced.lower(lowering_platforms=(platform,)).as_text().count("optimization_barrier")


def test_narrow_layers_are_kept_transposed_on_a_cpu_alone(key):
    narrow, wide = operands(key, 10), operands(key, NARROW + 1)
    assert barriers("cpu", *narrow) > 0
    assert [barriers(platform, *narrow) for platform in ("cuda", "rocm", "tpu")] == [0, 0, 0]
    assert barriers("cpu", *wide) == 0
    assert barriers("cpu", *operands(key, 10, (6, 8))) == 0


def test_precision_is_passed_on(key):
    text = str(jax.make_jaxpr(functools.partial(product, precision="highest"))(*operands(key, 3)))
    assert "Precision.HIGHEST" in text
