import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramjax.models import LSTM


def close(ours, theirs, atol=1e-5):
    def check(a, b):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, atol=atol * max(1.0, float(jnp.abs(b).max())))

    jax.tree.map(check, ours, theirs)


@pytest.fixture
def ours():
    return LSTM(4)


@pytest.fixture
def theirs():
    return nn.RNN(nn.OptimizedLSTMCell(4))


def derivatives(model):
    """Outputs, gradients, and what the gradients change by in a direction."""

    def of(p, x):
        gradient = jax.grad(lambda p, x: jnp.sum(jnp.sin(model.apply(p, x))), (0, 1))
        return model.apply(p, x), jax.jvp(gradient, (p, x), (jax.tree.map(jnp.cos, p), x + 1))

    return of


@pytest.mark.parametrize("length", [1, 5])
def test_lstm_equals_flax_with_first_and_second_derivatives(key, ours, theirs, length):
    """From the same key the same parameters; biases moved, since they start at zero."""
    x = jax.random.normal(key, (2, length, 3))
    params = ours.init(key, x)
    close(params, theirs.init(key, x), atol=0)
    params = jax.tree.map(lambda p: p + 0.1, params)
    close(*(jax.jit(derivatives(model))(params, x) for model in (ours, theirs)))


def test_a_population_equals_flax(key, ours, theirs):
    x = jax.random.normal(key, (2, 3, 3))
    params = jax.vmap(ours.init, (0, None))(jax.random.split(key, 3), x)
    both = [jax.jit(jax.vmap(derivatives(model), (0, None)))(params, x) for model in (ours, theirs)]
    close(*both)


def test_the_gradient_equals_finite_differences(key, ours):
    """Central differences; float32 over a step of 1e-2 leaves three digits."""
    x = jax.random.normal(key, (2, 4, 3))
    params = ours.init(key, x)
    loss = jax.jit(lambda p: jnp.mean(jnp.sin(ours.apply(p, x))))
    direction = jax.tree.map(lambda leaf: jnp.cos(7 * leaf), params)
    moved = lambda step: jax.tree.map(lambda p, d: p + step * d, params, direction)
    slope = (loss(moved(1e-2)) - loss(moved(-1e-2))) / 2e-2
    products = jax.tree.map(jnp.vdot, jax.grad(loss)(params), direction)
    np.testing.assert_allclose(sum(jax.tree.leaves(products)), slope, rtol=1e-3)


def test_half_precision_stays_half(key, ours, theirs):
    """flax goes on in float32, from its zeros in float32; three digits of bfloat16 agree."""
    x = jnp.ones((1, 3, 2), jnp.bfloat16)
    half = jax.tree.map(lambda p: p.astype(jnp.bfloat16), ours.init(key, x))
    assert ours.apply(half, x).dtype == jnp.bfloat16
    close(ours.apply(half, x).astype(jnp.float32), theirs.apply(half, x), atol=1e-2)


def test_what_is_refused(key, ours):
    with pytest.raises(ValueError, match=r"x: expected \[batch, length, inputs\], got shape"):
        ours.init(key, jnp.zeros((4, 3)))
    with pytest.raises(TypeError, match="expected floating-point sequences, got int32"):
        ours.init(key, jnp.zeros((1, 4, 3), jnp.int32))
    x = jnp.ones((1, 3, 2))
    params = ours.init(key, x)
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(lambda x: ours.apply(params, x), (x,), (x,))
