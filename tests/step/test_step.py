import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from refusing import assert_refused
from stepping import run_steps

import paramjax as pj


def test_equals_the_loop_written_by_hand(line, line_loss, line_params, key):
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.1))
    trainer = pj.train_step(line_loss, tx)
    state = trainer.init(key, line_params)
    params, opt_state = line_params, tx.init(line_params)
    for _ in range(5):
        state, metrics = trainer.step(state, line)
        loss, grads = jax.value_and_grad(lambda p: line_loss(p, line, None)[0])(params)
        updates, opt_state = tx.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
    chex.assert_trees_all_equal(state.params, params)
    chex.assert_trees_all_equal(state.opt_state, opt_state)
    assert float(metrics["loss"]) == float(loss)
    np.testing.assert_allclose(metrics["grad_norm"], optax.tree.norm(grads), rtol=1e-6)
    assert float(metrics["grad_norm"]) > 1.0  # reported before it is clipped
    assert int(state.step) == 5


def test_the_learning_rate_is_reported_where_the_chain_keeps_one(line, line_loss, line_params, key):
    def rates(tx):
        trainer = pj.train_step(line_loss, tx)
        return trainer.step(trainer.init(key, line_params), line)[1].get("learning_rate")

    assert rates(optax.sgd(0.1)) is None
    assert float(rates(pj.optim.get("sgd").factory(learning_rate=0.25))) == 0.25
    scheduled = optax.inject_hyperparams(optax.sgd)(learning_rate=optax.linear_schedule(1, 0, 4))
    assert float(rates(scheduled)) == 1.0


def test_each_step_has_its_own_key(key):
    noise = lambda params, batch, key: (params * jax.random.normal(key), {})
    _, metrics = run_steps(pj.train_step(noise, optax.sgd(1.0)), jnp.zeros(()), key, steps=3)
    drawn = [jax.random.normal(jax.random.fold_in(key, t)) for t in range(3)]
    assert metrics["grad_norm"].tolist() == pytest.approx(np.abs(drawn))
    assert len(set(metrics["grad_norm"].tolist())) == 3


@pytest.mark.parametrize("microbatches", [1, 4])
def test_line_searches_get_the_loss_of_their_batch(line, line_loss, line_params, key, microbatches):
    trainer = pj.train_step(pj.grads.accumulate(line_loss, microbatches), optax.lbfgs())
    state, step = trainer.init(key, line_params), jax.jit(trainer.step)
    for _ in range(8):
        state, _ = step(state, line)
    np.testing.assert_allclose(state.params["w"], 3.0, rtol=1e-4)
    np.testing.assert_allclose(state.params["b"], 2.0, rtol=1e-4)


def test_what_is_refused(line, line_loss, line_params, key):
    def step(output):
        trainer = pj.train_step(pj.GradFn(lambda params, batch, key: output), optax.sgd(1.0))
        trainer.step(trainer.init(key, {"w": jnp.ones(2)}), None)

    assert_refused(
        step,
        ((({"w": 1.0}, 0.0),), TypeError, "grad_fn: expected it to return .* got 2 values"),
        ((({"w": 1.0}, jnp.ones(3), {}),), ValueError, r"expected a scalar loss, got shape \(3,\)"),
        (((jnp.ones(2), 0.0, {}),), ValueError, "gradients: expected the tree of the parameters"),
        ((({"w": jnp.ones(3)}, 0.0, {}),), ValueError, r"leaf w has shape \(3,\), expected \(2,\)"),
    )
    assert_refused(
        lambda tx, *hooks: pj.train_step(line_loss, tx, hooks),
        (1e-3, TypeError, "tx: expected an optax gradient transformation"),
        ((optax.sgd(0.1), pj.hooks.ema), TypeError, r"hooks\[0\]: expected a Hook"),
    )
    flat = optax.stateless(lambda updates, params: jax.tree.map(jnp.ravel, updates))
    trainer = pj.train_step(line_loss, flat)
    with pytest.raises(ValueError, match=r"updates: leaf b has shape \(1,\)"):
        trainer.step(trainer.init(key, line_params), line)
    assert_refused(
        trainer.init,
        ((jax.random.PRNGKey(0), line_params), TypeError, "legacy PRNGKey"),
        ((key, {"w": jnp.zeros(3, int)}), TypeError, "leaf w is int32"),
    )
