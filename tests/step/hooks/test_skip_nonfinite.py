import chex
import jax
import jax.numpy as jnp
import optax
import pytest

import paramjax as pj


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf], ids=["nan", "inf"])
@pytest.mark.parametrize("order", ["guard first", "guard last"])
def test_a_step_that_is_not_finite_changes_nothing_but_the_counter(drift, key, bad, order):
    hooks = [pj.hooks.skip_nonfinite(), pj.hooks.ema(0.5)]
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


def test_without_the_guard_one_nan_is_the_end(drift, key):
    trainer = pj.train_step(drift, optax.adam(0.1))
    state, _ = trainer.step(trainer.init(key, jnp.ones(2)), jnp.array([1.0, jnp.nan]))
    state, _ = trainer.step(state, jnp.ones(2))
    assert jnp.isnan(state.params).any()
