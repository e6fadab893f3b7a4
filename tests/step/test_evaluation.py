import logging

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib as contrib
from refusing import assert_refused
from stepping import run_steps

import paramjax as pj


def bowl(params, batch, key):
    """Half the squared distance to 1."""
    return 0.5 * sum(jnp.sum((leaf - 1.0) ** 2) for leaf in jax.tree.leaves(params)), {}


def final(tx, params, steps, key):
    trainer = pj.train_step(bowl, tx)
    state, _ = run_steps(trainer, params, key, steps=steps)
    return trainer.eval_params(state), state


def test_lookahead_gets_its_pair_and_is_evaluated_at_the_slow_weights(key, caplog):
    """Fast steps of sgd(0.5) halve the distance; every second one, slow goes half way."""
    tx = optax.lookahead(optax.sgd(0.5), 2, 0.5)
    with caplog.at_level(logging.WARNING):
        slow, state = final(tx, jnp.zeros(()), 3, key)
    assert caplog.records == []
    # fast: 0.5, 0.75 -> both 0.375 -> fast 0.6875
    assert (float(slow), float(state.params.fast)) == (0.375, 0.6875)
    pair = optax.LookaheadParams(fast=jnp.zeros(()), slow=jnp.ones(()))  # the user's own
    slow, state = final(tx, pair, 0, key)
    chex.assert_trees_all_equal(state.params, pair)
    assert float(slow) == 1.0


def test_what_cannot_hold_lookahead_is_refused_with_the_reason(key):
    ahead, sgd = optax.lookahead(optax.sgd(0.5), 2, 0.5), optax.sgd(0.1)

    def first_step(tx):
        trainer = pj.train_step(bowl, tx)
        trainer.step(trainer.init(key, {"w": jnp.zeros(2), "b": jnp.zeros(2)}), None)

    txs = (
        optax.MultiSteps(ahead, 2),
        optax.partition({"a": ahead, "b": sgd}, {"w": "a", "b": "b"}),
        pj.optim.by_path({"w": ahead, ".*": sgd}),
        optax.apply_if_finite(ahead, 3),
        optax.lookahead(optax.polyak_sgd(), 5, 0.5),  # takes extra arguments
    )
    reason = "lookahead takes a pair of fast and slow parameters"
    assert_refused(first_step, *((tx, ValueError, reason) for tx in txs))


def test_sharpness_aware_steps_are_evaluated_without_the_perturbation(key):
    tx = contrib.sam(optax.sgd(0.5), optax.chain(contrib.normalize(), optax.sgd(0.25)))
    params, state = final(tx, jnp.zeros(()), 1, key)
    assert float(state.params) == -0.25  # climbed, away from the minimum
    assert float(params) == 0.0


def test_schedule_free_is_evaluated_at_its_average_in_a_chain_and_in_a_partition(key):
    chain = optax.chain(optax.clip_by_global_norm(10.0), contrib.schedule_free_sgd(0.5))
    params, state = final(chain, jnp.zeros(2), 3, key)
    average = contrib.schedule_free_eval_params(state.opt_state[1], state.params)
    chex.assert_trees_all_equal(params, average)
    assert (params != state.params).all()
    # one leaf is trained schedule-free, the other with sgd: each is evaluated in its way
    txs = {"averaged": contrib.schedule_free_sgd(0.5), "plain": optax.sgd(0.5)}
    tx = optax.partition(txs, {"w": "averaged", "b": "plain"})
    together, state = final(tx, {"w": jnp.zeros(2), "b": jnp.zeros(2)}, 3, key)
    np.testing.assert_allclose(together["w"], params, rtol=1e-6)
    np.testing.assert_allclose(together["b"], 1 - 0.5**3)


def test_a_monitor_keeps_its_form_from_the_first_step_on(key):
    tx = optax.chain(optax.monitor({"norm": optax.tree.norm}), optax.sgd(0.5))
    params, state = final(tx, {"w": jnp.zeros(4)}, 2, key)
    assert float(state.opt_state[0].measurements["norm"]) == 1.0  # half of the first, 2
    chex.assert_trees_all_equal(params, state.params)
