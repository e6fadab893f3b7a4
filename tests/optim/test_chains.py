import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from paramjax.optim import chain, scale_by_learning_rate

PARAMS = {"w": jnp.array([1.0, -2.0]), "b": jnp.array([0.5])}
GRADS = {"w": jnp.array([3.0, 4.0]), "b": jnp.array([12.0])}  # global norm 13


def run(tx, steps=5):
    params, state = PARAMS, tx.init(PARAMS)
    for step in range(steps):
        grads = jax.tree.map(lambda g, step=step: g * (1 + step) * 0.1, GRADS)
        updates, state = tx.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return params, state


def assert_same(ours, theirs):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), ours, theirs)


def test_clip_optimizer_decay_schedule_in_this_order():
    schedule = optax.linear_schedule(0.5, 0.1, 4)
    ours, _ = run(chain(optax.identity(), schedule, clip_norm=1.0, weight_decay=0.01))
    params = PARAMS
    for step in range(5):
        norm = 13 * 0.1 * (1 + step)
        clipped = jax.tree.map(lambda g, s=step, n=norm: g * (1 + s) * 0.1 / max(1, n), GRADS)
        rate = 0.5 - 0.1 * min(step, 4)
        params = jax.tree.map(lambda p, g, r=rate: p - r * (g + 0.01 * p), params, clipped)
    assert_same(ours, params)


def test_the_state_holds_the_rate_of_the_last_update():
    _, state = run(chain(optax.identity(), optax.linear_schedule(0.5, 0.1, 4)), steps=3)
    assert float(state[-1].learning_rate) == pytest.approx(0.3)


def test_updates_keep_their_dtype():
    tx = scale_by_learning_rate(0.1)
    params = {"w": jnp.ones(3, jnp.bfloat16)}
    updates, _ = tx.update(params, tx.init(params))
    assert updates["w"].dtype == jnp.bfloat16


def test_the_step_counter_stops_at_its_largest():
    tx = scale_by_learning_rate(lambda step: step)
    state = tx.init(PARAMS)._replace(step=jnp.int32(2**31 - 1))
    _, state = tx.update(GRADS, state)
    assert int(state.step) == 2**31 - 1


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), -1e-3])
def test_bad_rates_are_refused(rate):
    with pytest.raises(ValueError, match="learning_rate: expected"):
        chain(optax.identity(), rate)


@pytest.mark.parametrize("norm", [0.0, -1.0, float("nan")])
def test_bad_norms_are_refused(norm):
    with pytest.raises(ValueError, match="clip_norm: expected"):
        chain(optax.identity(), 0.1, clip_norm=norm)


def test_bad_decay_is_refused():
    with pytest.raises(ValueError, match="weight_decay: expected"):
        chain(optax.identity(), 0.1, weight_decay=-1.0)


def test_a_direction_is_a_transformation():
    with pytest.raises(TypeError, match="expected a gradient transformation"):
        chain(lambda grads: grads, 0.1)
