import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from paramjax.optim import chain, scale_by_learning_rate

PARAMS = {"w": jnp.array([1.0, -2.0]), "b": jnp.array([0.5])}
GRADS = {"w": jnp.array([3.0, 4.0]), "b": jnp.array([12.0])}  # global norm 13


def test_clip_direction_decay_schedule_in_this_order():
    schedule = optax.linear_schedule(0.5, 0.1, 4)
    tx = chain(optax.identity(), schedule, clip_norm=1.0, weight_decay=0.01)
    params = by_hand = PARAMS
    state = tx.init(PARAMS)
    for step in range(5):
        grads = jax.tree.map(lambda g, step=step: g * (1 + step) * 0.1, GRADS)
        updates, state = tx.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        rate, norm = 0.5 - 0.1 * min(step, 4), 13 * 0.1 * (1 + step)
        by_hand = jax.tree.map(
            lambda p, g, r=rate, n=norm: p - r * (g / max(1, n) + 0.01 * p), by_hand, grads
        )
        assert float(state[-1].learning_rate) == pytest.approx(rate)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), params, by_hand)


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


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"learning_rate": float("nan")}, "learning_rate: expected"),
        ({"learning_rate": float("inf")}, "learning_rate: expected"),
        ({"learning_rate": -1e-3}, "learning_rate: expected"),
        ({"clip_norm": 0.0}, "clip_norm: expected"),
        ({"clip_norm": -1.0}, "clip_norm: expected"),
        ({"clip_norm": float("nan")}, "clip_norm: expected"),
        ({"weight_decay": -1.0}, "weight_decay: expected"),
    ],
)
def test_numbers_out_of_range_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        chain(optax.identity(), **{"learning_rate": 0.1, **settings})


def test_a_direction_is_a_transformation():
    with pytest.raises(TypeError, match="expected a gradient transformation"):
        chain(lambda grads: grads, 0.1)
