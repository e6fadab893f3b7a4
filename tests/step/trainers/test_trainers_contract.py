from comparing import at

"""What every step shape promises: games, federated rounds and meta-learning alike."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.step.trainers import alternating, federated, meta_loss, simultaneous

ROWS, STEPS = 5, 4


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


HOOKS = [pj.hooks.skip_nonfinite(), pj.hooks.ema(0.5)]


class Case:
    """A factory of trainers from a rate, parameters and one batch; its step, compiled once."""

    def __init__(self, name):
        self.make, self.params, self.batch = TRAINERS[name]
        self.trainer = self.make(0.1, hooks=HOOKS)
        self.traces = []
        self.step = jax.jit(self.counted)

    def counted(self, state, batch):
        self.traces.append(1)
        return self.trainer.step(state, batch)

    def steps(self, state, count=STEPS):
        """The states after each step, the first among them, and the losses."""
        states, losses = [state], []
        for _ in range(count):
            state, metrics = self.step(state, self.batch)
            states.append(state)
            losses.append(metrics["loss"])
        return states, losses


QUICK = {"alternating"}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in sorted(TRAINERS)
    ],
)
def case(request):
    return Case(request.param)


def test_averages_and_guards_hook_in_and_a_step_is_traced_once(case, key):
    states, _ = case.steps(case.trainer.init(key, case.params), 1)
    spoiled, metrics = case.step(states[-1], jax.tree.map(lambda leaf: leaf * np.nan, case.batch))
    assert {"loss", "grad_norm"} <= set(metrics)
    assert all(jnp.shape(value) == () for value in metrics.values())
    kept = lambda state: (state.params, state.opt_state)
    chex.assert_trees_all_equal(kept(spoiled), kept(states[-1]))
    assert (int(metrics["skipped"]), int(spoiled.step)) == (1, 2)
    later, metrics = case.step(spoiled, case.batch)
    assert int(metrics["skipped"]) == 1
    assert len(case.traces) == 1
    # after the parameters p1, p1, p2 a decay of 1/2 weighs them by 1, 2 and 4
    expected = jax.tree.map(lambda p1, p2: (3 * p1 + 4 * p2) / 7, spoiled.params, later.params)
    chex.assert_trees_all_close(case.trainer.eval_params(later), expected, rtol=1e-5)


def test_steps_outside_of_jit_are_the_same(case, key):
    state = case.trainer.init(key, case.params)
    eager, compiled = case.trainer.step(state, case.batch), case.step(state, case.batch)
    chex.assert_trees_all_close(eager[0].params, compiled[0].params, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(eager[1], compiled[1], rtol=1e-4, atol=1e-6)


def test_rates_may_be_traced_and_mapped(case, key):
    def train(rate):
        trainer = case.make(rate, hooks=HOOKS)
        body = lambda state, _: trainer.step(state, case.batch)
        state, metrics = jax.lax.scan(body, trainer.init(key, case.params), length=STEPS)
        return trainer.eval_params(state), metrics["loss"]

    evaluated, losses = jax.jit(jax.vmap(train))(jnp.array([0.02, 0.1]))
    states, expected = case.steps(case.trainer.init(key, case.params))
    np.testing.assert_allclose(losses[1], expected, rtol=1e-4, atol=1e-6)
    alone = case.trainer.eval_params(states[-1])
    chex.assert_trees_all_close(at(evaluated, 1), alone, rtol=1e-4, atol=1e-6)
    assert (losses[0] != losses[1]).any()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dtypes_stay(case, key, dtype):
    dtypes = lambda tree: jax.tree.map(lambda leaf: leaf.dtype, tree)
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), case.params)
    state = case.trainer.init(key, params)
    after, _ = jax.eval_shape(case.trainer.step, state, case.batch)
    assert dtypes(after) == dtypes(state)
    assert set(jax.tree.leaves(dtypes(after.params))) == {jnp.dtype(dtype)}
    assert dtypes(jax.eval_shape(case.trainer.eval_params, after)) == dtypes(after.params)


def test_fit_runs_them(case, key):
    run = pj.fit(case.trainer, case.params, case.batch, key=key, steps=STEPS)
    states, losses = case.steps(case.trainer.init(jax.random.split(key)[0], case.params))
    evaluated = case.trainer.eval_params(states[-1])
    chex.assert_trees_all_close(run.params, evaluated, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(run.history["loss"], losses, rtol=1e-5, atol=1e-6)
    drawn = pj.fit(case.trainer, case.params, case.batch, key=key, steps=STEPS, batch_size=3)
    assert np.isfinite(drawn.history["loss"]).all()
    assert (drawn.history["loss"] != run.history["loss"]).any()


def test_a_stopped_run_goes_on_to_the_bit(case, key):
    """All that a step needs is in the arrays of its state, as a file would keep them."""

    def to_host(leaf):
        return np.asarray(jax.random.key_data(leaf) if is_key(leaf) else leaf)

    def from_host(saved, leaf):
        return jax.random.wrap_key_data(saved) if is_key(leaf) else jnp.asarray(saved)

    is_key = lambda leaf: jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    first = case.trainer.init(key, case.params)
    whole, _ = case.steps(first)
    saved = jax.tree.map(to_host, whole[STEPS // 2])
    resumed, _ = case.steps(jax.tree.map(from_host, saved, first), STEPS - STEPS // 2)
    ends = [jax.tree.map(to_host, states[-1]) for states in (resumed, whole)]
    chex.assert_trees_all_equal(*ends)
