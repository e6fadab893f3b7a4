import chex
import jax
import jax.numpy as jnp
import optax

import paramjax as pj


def test_a_step_that_is_not_finite_changes_nothing_but_the_counter(drift, key):
    trainer = pj.train_step(drift, optax.adam(0.1), hooks=[pj.hooks.skip_nonfinite()])
    step = jax.jit(trainer.step)
    state, _ = step(trainer.init(key, jnp.ones(2)), jnp.ones(2))
    for bad in (jnp.nan, jnp.inf):
        after, metrics = step(state, jnp.array([1.0, bad]))
        later, later_metrics = step(after, jnp.ones(2))
        chex.assert_trees_all_equal(after.params, state.params)
        chex.assert_trees_all_equal(after.opt_state, state.opt_state)
        assert int(after.step) == 2
        assert int(metrics["skipped"]) == int(later_metrics["skipped"]) == 1
        assert (later.params != after.params).all()
    plain = pj.train_step(drift, optax.adam(0.1))
    assert jnp.isnan(
        plain.step(plain.init(key, jnp.ones(2)), jnp.array([1.0, bad]))[0].params
    ).any()
