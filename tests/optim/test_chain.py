import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
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


@pytest.mark.parametrize(
    ("clipping", "w", "b"),
    [
        ({"clip_value": 3.5}, [3.0, 3.5], [3.5]),
        ({"clip_block_norm": 2.5}, [1.5, 2.0], [2.5]),
        ({"clip_block_norm": 6.0}, [3.0, 4.0], [6.0]),
        ({"clip_norm": 6.5}, [1.5, 2.0], [6.0]),
        ({"clip_value": 3.0, "clip_block_norm": 3.0, "clip_norm": 3.0}, [1.5, 1.5], [18**0.5 / 2]),
    ],
)
def test_clipping_by_value_by_block_and_by_norm(clipping, w, b):
    """Norms are 5, 12 and 13; the step's own is that before clipping."""
    loss_fn = lambda params, batch, key: (
        sum(jnp.vdot(params[name], GRADS[name]) for name in GRADS),
        {},
    )
    trainer = pj.train_step(loss_fn, chain(optax.identity(), 1.0, **clipping))
    state, metrics = trainer.step(trainer.init(jax.random.key(0), PARAMS), None)
    np.testing.assert_allclose(PARAMS["w"] - state.params["w"], w, rtol=1e-6)
    np.testing.assert_allclose(PARAMS["b"] - state.params["b"], b, rtol=1e-6)
    assert float(metrics["grad_norm"]) == 13.0


def test_a_block_of_zeros_or_of_half_precision_is_clipped_without_nan():
    tx = chain(optax.identity(), 1.0, clip_block_norm=1.0)
    grads = {"zero": jnp.zeros(2), "half": jnp.full(2, 3e2, jnp.float16)}  # 300^2 is too large
    updates, _ = tx.update(grads, tx.init(grads))
    np.testing.assert_allclose(updates["half"], -(0.5**0.5), rtol=1e-3)
    assert not np.any(updates["zero"])


def test_coupled_decay_is_the_gradient_of_a_penalty_and_decoupled_decay_is_not():
    loss_fn = lambda params, batch, key: (jnp.sum(jnp.sin(params)), {})
    penalised = lambda params, batch, key: (
        jnp.sum(jnp.sin(params)) + 0.05 * jnp.sum(params**2),
        {},
    )

    def end(loss, **decay):
        trainer = pj.train_step(loss, chain(optax.scale_by_adam(), 0.1, clip_norm=1.0, **decay))
        state = trainer.init(jax.random.key(0), jnp.array([2.0, -1.0]))
        return jax.lax.scan(trainer.step, state, None, length=5)[0].params

    coupled = end(loss_fn, l2=0.1)
    np.testing.assert_allclose(coupled, end(penalised), rtol=1e-5)
    decoupled = end(loss_fn, weight_decay=0.1)
    assert np.abs(decoupled - coupled).max() > 0.01
    # by plain gradient descent both are one, here x (1 - 0.5 * 0.1) and the gradient of the loss
    plain = [chain(optax.identity(), 0.5, **{name: 0.1}) for name in ("l2", "weight_decay")]
    both = [tx.update(GRADS, tx.init(PARAMS), PARAMS)[0]["w"] for tx in plain]
    np.testing.assert_allclose(both, [[-1.55, -1.9]] * 2, rtol=1e-6)


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
        ({"clip_value": 0.0}, "clip_value: expected"),
        ({"clip_block_norm": -1.0}, "clip_block_norm: expected"),
        ({"l2": -1.0}, "l2: expected"),
        ({"weight_decay": -1.0}, "weight_decay: expected"),
    ],
)
def test_numbers_out_of_range_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        chain(optax.identity(), **{"learning_rate": 0.1, **settings})


def test_a_direction_is_a_transformation():
    with pytest.raises(TypeError, match="expected a gradient transformation"):
        chain(lambda grads: grads, 0.1)
