import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from comparing import assert_close, at, second_derivatives

from paramjax.models import LSTM

OURS, THEIRS = LSTM(4), nn.RNN(nn.OptimizedLSTMCell(4))


@pytest.mark.parametrize("length", [1, 4])
def test_equals_flax_with_first_and_second_derivatives(key, length):
    """A single run and a population; from the same key the same parameters."""
    x = jax.random.normal(key, (2, length, 3))
    keys = jax.random.split(key, 2)
    params, others = (jax.jit(jax.vmap(m.init, (0, None)))(keys, x) for m in (OURS, THEIRS))
    assert_close(params, others, atol=0)
    params = jax.tree.map(lambda p: p + 0.1, params)  # biases start at zero
    alone = jax.jit(second_derivatives(THEIRS.apply))
    expected = [alone(at(params, i), x) for i in range(2)]
    assert_close(jax.jit(second_derivatives(OURS.apply))(at(params, 0), x), expected[0])
    together = jax.jit(jax.vmap(second_derivatives(OURS.apply), (0, None)))(params, x)
    for i in range(2):
        assert_close(at(together, i), expected[i])


def test_half_precision_stays_half(key):
    """flax goes on in float32, from its zeros in float32; three digits of bfloat16 agree."""
    x = jnp.ones((1, 3, 2), jnp.bfloat16)
    params = jax.jit(OURS.init)(key, x)
    half = jax.tree.map(lambda p: p.astype(jnp.bfloat16), params)
    ours = jax.jit(OURS.apply)(half, x)
    assert ours.dtype == jnp.bfloat16
    assert_close(ours.astype(jnp.float32), jax.jit(THEIRS.apply)(half, x), atol=1e-2)
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(lambda x: OURS.apply(params, x), (x,), (x,))


def test_what_is_refused(key):
    with pytest.raises(ValueError, match=r"x: expected \[batch, length, inputs\], got shape"):
        OURS.init(key, jnp.zeros((4, 3)))
    with pytest.raises(TypeError, match="expected floating-point sequences, got int32"):
        OURS.init(key, jnp.zeros((1, 4, 3), jnp.int32))
