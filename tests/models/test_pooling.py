import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from paramjax.models import max_pool


def theirs(x, size=2):
    window = (1, size, size, 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")


@pytest.mark.parametrize(
    ("shape", "size"), [((2, 8, 8, 3), 2), ((1, 7, 5, 2), 2), ((1, 9, 7, 1), 3)]
)
def test_values_and_gradient_equal_reduce_window(key, shape, size):
    x = jax.random.normal(key, shape)
    np.testing.assert_array_equal(max_pool(x, size), theirs(x, size))
    loss = lambda pool: lambda x: jnp.sum(jnp.sin(pool(x, size)))
    mine, other = (jax.jit(jax.grad(loss(pool)))(x) for pool in (max_pool, theirs))
    np.testing.assert_allclose(mine, other, atol=1e-6)


def test_of_equal_values_the_first_gets_the_gradient():
    x = jnp.asarray([[1.0, 2.0, 0.0, 0.0], [2.0, 2.0, 0.0, 0.0]]).reshape(1, 2, 4, 1)
    gradient = jax.grad(lambda x: max_pool(x).sum())(x)
    np.testing.assert_array_equal(gradient[0, :, :, 0], [[0, 1, 1, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(gradient, jax.grad(lambda x: theirs(x).sum())(x))


@pytest.mark.slow
def test_forward_mode_and_hessian_vector_product(key):
    x, change = jax.random.normal(key, (2, 1, 4, 6, 2))
    # finite differences: the maximum is linear near a point without ties
    _, slope = jax.jit(lambda x, change: jax.jvp(max_pool, (x,), (change,)))(x, change)
    step = 1e-3
    moved = (max_pool(x + step * change) - max_pool(x - step * change)) / (2 * step)
    np.testing.assert_allclose(slope, moved, atol=1e-3)  # float32 over a step of 1e-3
    # of sum(max^2) / 2 the Hessian is the identity on the chosen pixels
    gradient = jax.grad(lambda x: 0.5 * jnp.sum(max_pool(x) ** 2))
    _, product = jax.jit(lambda x, change: jax.jvp(gradient, (x,), (change,)))(x, change)
    chosen = jax.grad(lambda x: max_pool(x).sum())(x)
    np.testing.assert_allclose(product, chosen * change, atol=1e-6)


def test_a_population_equals_its_runs_and_not_a_number_is_passed_on(key):
    x = jax.random.normal(key, (3, 2, 4, 4, 1))
    gradient = jax.jit(jax.grad(lambda x: jnp.sum(max_pool(x) ** 2)))
    alone = jnp.stack([gradient(each) for each in x])
    np.testing.assert_array_equal(jax.vmap(gradient)(x), alone)
    assert jnp.isnan(max_pool(jnp.zeros((1, 2, 2, 1)).at[0, 0, 1, 0].set(jnp.nan))).all()


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"expected images \[batch, height, width, channels\]"):
        max_pool(jnp.zeros((4, 4)))
    with pytest.raises(ValueError, match="size: expected at least 1 pixel, got 0"):
        max_pool(jnp.zeros((1, 4, 4, 1)), 0)
