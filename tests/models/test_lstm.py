import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from comparing import assert_close, at, second_derivatives

from paramjax.models import LSTM

OURS, THEIRS = LSTM(4), nn.RNN(nn.OptimizedLSTMCell(4))


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 4])
def test_equals_flax_with_first_and_second_derivatives(key, length):
    """A single run and a population; from the same key the same parameters."""
    x = jax.random.normal(key, (2, length, 3))
    keys = jax.random.split(key, 2)
    params, others = (jax.jit(jax.vmap(m.init, (0, None)))(keys, x) for m in (OURS, THEIRS))
    assert_close(params, others, atol=2e-6)
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


def by_flax(cell, params, x, carry, lengths):
    """flax's cell, called step after step and sequence after sequence."""
    outputs, carries = [], []
    for row, length in enumerate(lengths):
        state, own = tuple(part[row : row + 1] for part in carry), []
        for t in range(x.shape[1]):
            if t < length:
                state, _ = cell.apply(params, state, x[row : row + 1, t])
            own.append(state[1][0])
        outputs.append(jnp.stack(own))
        carries.append(state)
    together = (jnp.concatenate([state[part] for state in carries]) for part in (0, 1))
    return jnp.stack(outputs), tuple(together)


@pytest.mark.parametrize("lengths", [pytest.param((4, 4, 4), marks=pytest.mark.slow), (4, 2, 0)])
def test_carry_and_lengths_are_flaxs_cell_step_by_step_with_derivatives(key, lengths):
    x, *carry = (jax.random.normal(k, s) for k, s in zip(
        jax.random.split(key, 3), [(3, 4, 2), (3, 4), (3, 4)], strict=True))  # fmt: skip
    params = jax.tree.map(lambda p: p + 0.1, jax.jit(OURS.init)(key, x))
    cell = nn.OptimizedLSTMCell(4)
    weights = jax.random.normal(jax.random.fold_in(key, 9), (5, 3, 4))

    def summed(run):
        def total(params, x, carry):
            outputs, (c, h) = run(params, x, carry)
            parts = jnp.concatenate([outputs.swapaxes(0, 1), c[None], h[None]])
            return jnp.sum(jnp.concatenate([weights, weights[:1]]) * parts**2)

        return jax.jit(jax.grad(total, (0, 1, 2)))

    ours = summed(lambda p, x, c: OURS.apply(p, x, c, lengths=jnp.array(lengths)))
    hand = lambda p, x, c: by_flax(cell, {"params": p["params"]["cell"]}, x, c, lengths)
    assert_close(ours(params, x, tuple(carry)), summed(hand)(params, x, tuple(carry)), atol=2e-5)
    if min(lengths) == 4:
        whole = summed(OURS.apply)
        assert_close(whole(params, x, tuple(carry)), ours(params, x, tuple(carry)), atol=1e-6)


def test_windows_with_a_carry_are_the_whole_sequence(key):
    x = jax.random.normal(key, (2, 9, 3))
    params, carry = OURS.init(key, x), OURS.zero_carry(2)
    parts = []
    for window in (x[:, :4], x[:, 4:5], x[:, 5:]):
        outputs, carry = OURS.apply(params, window, carry)
        parts.append(outputs)
    whole = OURS.apply(params, x)
    assert_close(jnp.concatenate(parts, axis=1), whole)
    assert_close(carry[1], whole[:, -1])


def test_a_carry_keeps_its_dtype_so_that_it_can_be_a_model_state(key):
    params = OURS.init(key, jnp.zeros((2, 1, 3)))
    half = jax.tree.map(lambda p: p.astype(jnp.bfloat16), params)
    outputs, carry = OURS.apply(half, jnp.ones((2, 4, 3), jnp.bfloat16), OURS.zero_carry(2))
    assert outputs.dtype == jnp.bfloat16
    assert [part.dtype for part in carry] == [jnp.float32] * 2
    with jax.enable_x64(True):
        assert [part.dtype for part in OURS.zero_carry(2)] == [jnp.float64] * 2


def test_the_last_output_of_a_short_sequence_is_repeated_and_its_padding_is_not_read(key):
    x = jax.random.normal(key, (2, 5, 3))
    params, lengths = OURS.init(key, x), jnp.array([2, 5])
    outputs = OURS.apply(params, x, lengths=lengths)
    assert_close(outputs[0, -1], OURS.apply(params, x[:1, :2])[0, -1])
    other = x.at[0, 2:].set(100.0)
    assert_close(OURS.apply(params, other, lengths=lengths), outputs, atol=0)


def test_what_is_refused(key):
    x = jnp.zeros((2, 4, 3))
    params = OURS.init(key, x)
    with pytest.raises(ValueError, match=r"carry: expected cells and states, both \(2, 4\)"):
        OURS.apply(params, x, OURS.zero_carry(3))
    with pytest.raises(ValueError, match=r"lengths: expected one for each of the 2 sequences"):
        OURS.apply(params, x, lengths=jnp.array([1, 2, 3]))
    with pytest.raises(TypeError, match="lengths: expected integers, got float32"):
        OURS.apply(params, x, lengths=jnp.ones(2))
    with pytest.raises(ValueError, match=r"x: expected \[batch, length, inputs\], got shape"):
        OURS.init(key, jnp.zeros((4, 3)))
    with pytest.raises(TypeError, match="expected floating-point sequences, got int32"):
        OURS.init(key, jnp.zeros((1, 4, 3), jnp.int32))
