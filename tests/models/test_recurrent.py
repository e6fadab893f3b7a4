"""SimpleRNN and GRU: truth is flax's cell, called step after step, and finite differences."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from comparing import assert_close, second_derivatives

from paramjax.models import GRU, LSTM, SimpleRNN

LENGTHS = np.array([3, 1, 0])
LAYERS = [(SimpleRNN(4), nn.SimpleCell(4)), (GRU(4), nn.GRUCell(4))]
LAYERS_BY_NAME = pytest.mark.parametrize(("ours", "cell"), LAYERS, ids=["simple", "gru"])


def by_flax(cell, params, x, carry):
    """flax's cell, of which a step beyond a sequence's length is left out."""
    outputs = []
    for t in range(x.shape[1]):
        new, _ = cell.apply({"params": params["params"]["cell"]}, carry, x[:, t])
        carry = jnp.where((t < LENGTHS)[:, None], new, carry)
        outputs.append(carry)
    return jnp.stack(outputs, axis=1), carry


def joined(pair):
    """Outputs and carry in one array, the carry twice as heavy."""
    return jnp.concatenate([pair[0], 2 * pair[1][:, None]], axis=1)


@LAYERS_BY_NAME
def test_equals_flaxs_cell_with_first_and_second_derivatives_by_carry_and_lengths(key, ours, cell):
    x, carry = jax.random.normal(key, (3, 3, 2)), jax.random.normal(key, (3, 4))
    params = jax.jit(ours.init)(key, x)
    assert_close(params, jax.jit(nn.RNN(cell).init)(key, x), atol=2e-6)
    params = jax.tree.map(lambda p: p + 0.1, params)  # biases start at zero

    def mine(params, inputs):
        return joined(ours.apply(params, *inputs, lengths=LENGTHS))

    def theirs(params, inputs):
        return joined(by_flax(cell, params, *inputs))

    both = [
        jax.jit(second_derivatives(lambda p, flat, run=run: run(p, (flat[:, :3, :2], flat[:, 3]))))
        for run in (mine, theirs)
    ]
    flat = jnp.concatenate([jnp.pad(x, ((0, 0), (0, 0), (0, 2))), carry[:, None]], axis=1)
    assert_close(both[0](params, flat), both[1](params, flat), atol=2e-5)


@pytest.mark.slow
@LAYERS_BY_NAME
def test_the_gradient_is_that_of_finite_differences(key, ours, cell):
    with jax.enable_x64(True):
        x = jax.random.normal(key, (2, 3, 2))
        params = jax.tree.map(lambda p: p.astype(float) + 0.1, ours.init(key, x))
        run = lambda params: jnp.sum(jnp.sin(ours.apply(params, x, lengths=np.array([3, 2]))))
        direction = jax.tree.map(jnp.cos, params)
        ahead, back = (
            run(jax.tree.map(lambda p, d, s=sign: p + s * 1e-5 * d, params, direction))
            for sign in (1, -1)
        )
        products = jax.tree.map(lambda g, d: jnp.sum(g * d), jax.grad(run)(params), direction)
        np.testing.assert_allclose(sum(jax.tree.leaves(products)), (ahead - back) / 2e-5, rtol=1e-8)


@LAYERS_BY_NAME
def test_windows_with_a_carry_are_the_whole_and_padding_is_not_read(key, ours, cell):
    x, lengths = jax.random.normal(key, (2, 4, 3)), np.array([2, 4])
    params, run = ours.init(key, x), jax.jit(ours.apply)
    first, carry = run(params, x[:, :2], ours.zero_carry(2))
    second, carry = run(params, x[:, 2:], carry)
    whole = run(params, x)
    assert_close(jnp.concatenate([first, second], axis=1), whole)
    assert_close(carry, whole[:, -1])
    short = run(params, x, lengths=lengths)
    assert_close(short[0], jnp.stack([*whole[0, :2], whole[0, 1], whole[0, 1]]))
    assert_close(run(params, x.at[0, 2:].set(100.0), lengths=lengths), short, atol=0)


@LAYERS_BY_NAME
def test_half_precision_stays_half_and_the_carry_keeps_its_own(key, ours, cell):
    x = jnp.ones((2, 3, 2), jnp.bfloat16)
    half = jax.tree.map(lambda p: p.astype(jnp.bfloat16), ours.init(key, x))
    outputs, carry = jax.eval_shape(ours.apply, half, x, ours.zero_carry(2))
    assert (outputs.dtype, carry.dtype) == (jnp.bfloat16, jnp.float32)


def test_activation_and_initialisers_by_name(key):
    x = jnp.ones((1, 2, 2))
    linear = SimpleRNN(2, "identity", "zeros", "zeros")
    params = linear.init(key, x)
    cell = params["params"]["cell"]
    cell["i"]["kernel"], cell["h"]["kernel"] = jnp.eye(2), 2 * jnp.eye(2)
    assert_close(linear.apply(params, x)[0], jnp.array([[1.0, 1.0], [3.0, 3.0]]))
    shapes = jax.eval_shape(LSTM(2, initialiser="zeros").init, key, x)
    assert shapes == jax.eval_shape(LSTM(2).init, key, x)
    with pytest.raises(ValueError, match="unknown activation 'tahn'; nearest: tanh"):
        SimpleRNN(2, activation="tahn").init(key, x)
    for layer in (SimpleRNN, GRU, LSTM):
        with pytest.raises(ValueError, match="unknown initialiser 'he_norm'; nearest: he_normal"):
            layer(2, initialiser="he_norm").init(key, x)
        with pytest.raises(ValueError, match="unknown initialiser 'ortho'"):
            layer(2, recurrent_initialiser="ortho").init(key, x)


@pytest.mark.parametrize("layer", [SimpleRNN(4), GRU(4), LSTM(4)])
def test_bad_shapes_are_refused_alike(key, layer):
    x = jnp.zeros((2, 4, 3))
    zeros = jnp.zeros((3, 4))
    for carry in (layer.zero_carry(3), (zeros,), (zeros, zeros, zeros), {"h": zeros}):
        with pytest.raises(ValueError, match=r"carry: expected .* \(2, 4\), as zero_carry\(2\)"):
            layer.init(key, x, carry)
    with pytest.raises(ValueError, match="lengths: expected one for each of the 2 sequences"):
        layer.init(key, x, lengths=jnp.array([[1, 2]]))
    with pytest.raises(TypeError, match="lengths: expected integers, got bool"):
        layer.init(key, x, lengths=jnp.ones(2, bool))
    with pytest.raises(ValueError, match=r"x: expected \[batch, length, inputs\], got shape \(4,"):
        layer.init(key, jnp.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"one step or more, got shape \(2, 0, 3\)"):
        layer.init(key, jnp.zeros((2, 0, 3)))
    with pytest.raises(TypeError, match="expected floating-point sequences, got int32"):
        layer.init(key, jnp.zeros((1, 4, 3), jnp.int32))
    with pytest.raises(TypeError, match="lengths: expected an array, got list"):
        layer.init(key, x, lengths=[1, 2])
    with pytest.raises(ValueError, match="features: expected a whole number from 1"):
        layer.copy(features=0).init(key, x)
