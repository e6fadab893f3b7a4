import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj


def drift(params, batch, key):
    """A loss whose gradient is the batch itself, so that the test sets every step."""
    return jnp.sum(params * batch), {}


def test_ema_is_the_closed_form(key):
    trainer = pj.train_step(drift, optax.sgd(1.0), hooks=[pj.ema(0.9)])
    state = trainer.init(key, jnp.zeros(2))
    chex.assert_trees_all_equal(trainer.eval_params(state), state.params)
    seen = []
    for step in range(4):
        state, _ = trainer.step(state, jnp.array([1.0, -step]))
        seen.append(np.asarray(state.params))
    weights = 0.1 * 0.9 ** np.arange(3, -1, -1)
    expected = (weights[:, None] * np.array(seen)).sum(0) / weights.sum()
    np.testing.assert_allclose(trainer.eval_params(state), expected, rtol=1e-5)


def test_ema_averages_half_precision_in_single(key):
    trainer = pj.train_step(drift, optax.sgd(1.0), hooks=[pj.ema(0.999)])
    state = trainer.init(key, jnp.ones(2, jnp.bfloat16))
    for _ in range(3):
        state, _ = trainer.step(state, jnp.zeros(2, jnp.bfloat16))
    assert state.hook_state[0].average.dtype == jnp.float32
    average = trainer.eval_params(state)
    assert average.dtype == jnp.bfloat16
    np.testing.assert_allclose(average.astype(jnp.float32), 1.0)


@pytest.mark.parametrize("decay", [1.0, -0.1, float("nan")])
def test_ema_refuses_a_decay_that_does_not_average(decay):
    with pytest.raises(ValueError, match="ema: decay: expected a number from 0, below 1"):
        pj.ema(decay)


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
@pytest.mark.parametrize("order", ["guard first", "guard last"])
def test_a_step_that_is_not_finite_changes_nothing_but_the_counter(key, bad, order):
    hooks = [pj.skip_nonfinite(), pj.ema(0.5)]
    hooks = hooks if order == "guard first" else hooks[::-1]
    trainer = pj.train_step(drift, optax.adam(0.1), hooks=hooks)
    step = jax.jit(trainer.step)
    state, _ = step(trainer.init(key, jnp.ones(2)), jnp.ones(2))
    after, metrics = step(state, jnp.array([1.0, bad]))
    chex.assert_trees_all_equal(after.params, state.params)
    chex.assert_trees_all_equal(after.opt_state, state.opt_state)
    assert int(after.step) == 2
    assert int(metrics["skipped"]) == 1
    assert jnp.isfinite(trainer.eval_params(after)).all()
    later, metrics = step(after, jnp.ones(2))
    assert int(metrics["skipped"]) == 1
    assert (later.params != after.params).all()


def test_without_the_guard_one_nan_is_the_end(key):
    trainer = pj.train_step(drift, optax.adam(0.1))
    state, _ = trainer.step(trainer.init(key, jnp.ones(2)), jnp.array([1.0, jnp.nan]))
    state, _ = trainer.step(state, jnp.ones(2))
    assert jnp.isnan(state.params).any()
