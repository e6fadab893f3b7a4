import chex
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from stepping import run_steps

import paramjax as pj


def test_is_the_closed_form(drift, key):
    trainer = pj.train_step(drift, optax.sgd(1.0), hooks=[pj.hooks.ema(0.9)])
    state = trainer.init(key, jnp.zeros(2))
    chex.assert_trees_all_equal(trainer.eval_params(state), state.params)
    seen = []
    for step in range(4):
        state, _ = trainer.step(state, jnp.array([1.0, -step]))
        seen.append(np.asarray(state.params))
    weights = 0.1 * 0.9 ** np.arange(3, -1, -1)
    expected = (weights[:, None] * np.array(seen)).sum(0) / weights.sum()
    np.testing.assert_allclose(trainer.eval_params(state), expected, rtol=1e-5)


def test_averages_half_precision_in_single(drift, key):
    trainer = pj.train_step(drift, optax.sgd(1.0), hooks=[pj.hooks.ema(0.999)])
    batches = jnp.zeros((3, 2), jnp.bfloat16)
    state, _ = run_steps(trainer, jnp.ones(2, jnp.bfloat16), key, batches)
    assert state.hook_state[0].average.dtype == jnp.float32
    average = trainer.eval_params(state)
    assert average.dtype == jnp.bfloat16
    np.testing.assert_allclose(average.astype(jnp.float32), 1.0)


def test_a_decay_that_does_not_average_is_refused():
    for decay in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match="ema: decay: expected a number from 0, below 1"):
            pj.hooks.ema(decay)
