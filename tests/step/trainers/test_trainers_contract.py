"""What every step shape promises: games, federated rounds and meta-learning alike."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.step.trainers import alternating, federated, meta_loss, simultaneous

ROWS, STEPS = 5, 6


def player(sign):
    """A noisy game of two vectors on rows [rows, 2], with an equilibrium near the origin."""

    def loss_fn(params, batch, key):
        x, y = params["x"], params["y"]
        noise = 0.1 * jax.random.normal(key, (2,)).astype(x.dtype)
        value = x @ y + 0.5 * (x @ x - y @ y) + (batch.mean(0).astype(x.dtype) + noise) @ x
        return sign * value + 0.1 * (x @ x + y @ y), {"product": x @ y}

    return loss_fn


def one_vector(params, batch, key):
    """A noisy quadratic of one vector on rows [rows, 2]."""
    noise = 0.1 * jax.random.normal(key, (2,)).astype(params.dtype)
    end = batch.mean(0).astype(params.dtype) + noise
    return jnp.sum((params - end) ** 2), {"first": params[0]}


def simultaneous_trainer(rate, hooks=()):
    losses = {"x": player(1.0), "y": player(-1.0)}
    return pj.train_step(simultaneous(losses), optax.optimistic_gradient_descent(rate), hooks)


def alternating_trainer(rate, hooks=()):
    txs = {"x": optax.adam(rate), "y": optax.sgd(rate, momentum=0.5)}
    losses = {"x": player(1.0), "y": player(-1.0)}
    return alternating(losses, txs, hooks, steps={"y": 2})


def federated_trainer(rate, hooks=()):
    options = {"local_steps": 3, "local_batch_size": 2, "clients_per_round": 3, "proximal": rate}
    server = optax.adam(rate)
    return federated(one_vector, optax.adam(rate), server_tx=server, hooks=hooks, **options)


def meta_trainer(rate, hooks=()):
    return pj.train_step(meta_loss(one_vector, optax.adam(rate), 2), optax.adam(rate), hooks)


GAME = {"x": jnp.array([1.0, -0.5]), "y": jnp.array([0.3, 2.0])}
VECTOR = jnp.array([1.0, -2.0])
BATCH = np.random.default_rng(0).standard_normal((4, ROWS, 2)).astype(np.float32)
TRAINERS = {
    "alternating": (alternating_trainer, GAME, BATCH[0]),
    "federated": (federated_trainer, VECTOR, BATCH),
    "meta": (meta_trainer, VECTOR, {"support": BATCH, "query": BATCH[::-1].copy()}),
    "simultaneous": (simultaneous_trainer, GAME, BATCH[0]),
}


@pytest.fixture(params=sorted(TRAINERS))
def case(request):
    """A factory of trainers from a rate, parameters and one batch."""
    return TRAINERS[request.param]


def steps(trainer, state, batch, count=STEPS):
    return jax.jit(
        lambda state: jax.lax.scan(lambda s, _: trainer.step(s, batch), state, length=count)
    )(state)


def dtypes(tree):
    return jax.tree.map(lambda leaf: leaf.dtype, tree)


def test_rates_may_be_traced_and_mapped(case, key):
    make, params, batch = case

    def train(rate):
        trainer = make(rate)
        state, metrics = steps(trainer, trainer.init(key, params), batch)
        return trainer.eval_params(state), metrics["loss"]

    rates = jnp.array([0.02, 0.1])
    together = jax.jit(jax.vmap(train))(rates)
    alone = [train(float(rate)) for rate in rates]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *alone)
    chex.assert_trees_all_close(together, stacked, rtol=1e-4, atol=1e-6)
    assert (together[1][0] != together[1][1]).any()


def test_a_step_is_traced_once(case, key):
    make, params, batch = case
    trainer = make(0.1)
    chex.clear_trace_counter()
    step = jax.jit(chex.assert_max_traces(trainer.step, n=1))
    state = trainer.init(key, params)
    for _ in range(3):
        state, metrics = step(state, batch)
    assert {"loss", "grad_norm"} <= set(metrics)
    assert all(jnp.shape(value) == () for value in metrics.values())


def test_steps_outside_of_jit_are_the_same(case, key):
    make, params, batch = case
    trainer = make(0.1)
    state = trainer.init(key, params)
    eager, metrics = trainer.step(state, batch)
    compiled, expected = jax.jit(trainer.step)(state, batch)
    chex.assert_trees_all_close(eager.params, compiled.params, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(metrics, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dtypes_stay(case, key, dtype):
    make, params, batch = case
    trainer = make(0.1, hooks=[pj.hooks.ema(0.9)])
    state = trainer.init(key, jax.tree.map(lambda leaf: leaf.astype(dtype), params))
    after, _ = jax.eval_shape(trainer.step, state, batch)
    assert dtypes(after) == dtypes(state)
    assert set(jax.tree.leaves(dtypes(after.params))) == {jnp.dtype(dtype)}
    evaluated = jax.eval_shape(trainer.eval_params, after)
    assert dtypes(evaluated) == dtypes(after.params)


def test_averages_and_guards_hook_in(case, key):
    make, params, batch = case
    trainer = make(0.1, hooks=[pj.hooks.skip_nonfinite(), pj.hooks.ema(0.5)])
    step = jax.jit(trainer.step)
    state, _ = step(trainer.init(key, params), batch)
    spoiled, metrics = step(state, jax.tree.map(lambda leaf: leaf * np.nan, batch))
    chex.assert_trees_all_equal(
        (spoiled.params, spoiled.opt_state), (state.params, state.opt_state)
    )
    assert (int(metrics["skipped"]), int(spoiled.step)) == (1, 2)
    later, metrics = step(spoiled, batch)
    assert int(metrics["skipped"]) == 1
    # after the parameters p1, p1, p2 a decay of 1/2 weighs them by 1, 2 and 4
    expected = jax.tree.map(lambda p1, p2: (3 * p1 + 4 * p2) / 7, state.params, later.params)
    chex.assert_trees_all_close(trainer.eval_params(later), expected, rtol=1e-5)


def test_fit_runs_them(case, key):
    make, params, batch = case
    trainer = make(0.1, hooks=[pj.hooks.ema(0.5)])
    run = pj.fit(trainer, params, batch, key=key, steps=STEPS)
    state, history = steps(trainer, trainer.init(jax.random.split(key)[0], params), batch)
    chex.assert_trees_all_close(run.params, trainer.eval_params(state), rtol=1e-5)
    np.testing.assert_allclose(run.history["loss"], history["loss"], rtol=1e-5, atol=1e-6)
    drawn = pj.fit(trainer, params, batch, key=key, steps=STEPS, batch_size=3)
    assert np.isfinite(drawn.history["loss"]).all()
    assert (drawn.history["loss"] != run.history["loss"]).any()


def test_a_stopped_run_goes_on_to_the_bit(case, key):
    make, params, batch = case
    trainer = make(0.1, hooks=[pj.hooks.ema(0.9), pj.hooks.skip_nonfinite()])
    step = jax.jit(trainer.step)

    def advance(state, count):
        for _ in range(count):
            state, _ = step(state, batch)
        return state

    def to_host(leaf):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(leaf) if is_key else leaf)

    def from_host(saved, leaf):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return jax.random.wrap_key_data(saved) if is_key else jnp.asarray(saved)

    whole = advance(trainer.init(key, params), 6)
    half = advance(trainer.init(key, params), 3)
    saved = jax.tree.map(to_host, half)
    again = jax.tree.map(from_host, saved, trainer.init(key, params))
    resumed = advance(again, 3)
    chex.assert_trees_all_equal(jax.tree.map(to_host, resumed), jax.tree.map(to_host, whole))
