import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from comparing import at
from games import GAME, start
from refusing import assert_refused
from stepping import run_steps

import paramjax as pj
from paramjax.step.trainers import alternating

RATE = 0.1
SGD = {"x": optax.sgd(RATE), "y": optax.sgd(RATE)}


def run(trainer, params, steps, key, batch=None, model_state=()):
    batches = None if batch is None else jnp.stack([batch] * steps)
    return run_steps(trainer, params, key, batches, steps=steps, model_state=model_state)


def pull(name, target):
    """A noisy quadratic loss of one player, coupled to all the others."""

    def loss_fn(params, batch, key):
        others = sum(jnp.sum(own) for other, own in params.items() if other != name)
        residual = params[name] - target * others + batch + 0.1 * jax.random.normal(key, (2,))
        return jnp.sum(residual**2), {"residual": residual[0]}

    return loss_fn


def test_alternating_descent_stays_on_its_ellipse(key):
    trainer = alternating(GAME, SGD)

    def invariant(params):  # the energy that the symplectic Euler step conserves
        x, y = params["x"], params["y"]
        return jnp.sum(x**2 + y**2 - RATE * x * y)

    def body(state, _):
        state, _ = trainer.step(state, None)
        return state, invariant(state.params)

    _, seen = jax.jit(lambda s: jax.lax.scan(body, s, length=500))(trainer.init(key, start()))
    np.testing.assert_allclose(seen, invariant(start()), rtol=1e-4)


def test_equals_the_turns_written_by_hand(key):
    losses = {"b": pull("b", 0.5), "a": pull("a", -1.0)}
    txs = {"a": optax.adam(0.1), "b": optax.chain(optax.clip(0.5), optax.sgd(0.2, momentum=0.9))}
    trainer = alternating(losses, txs, steps={"b": 2})
    batch = jnp.array([1.0, -2.0])
    params = {"a": jnp.ones(2), "b": jnp.zeros(2)}
    state, metrics = run(trainer, params, 3, key, batch)
    metrics = at(metrics, -1)

    @functools.partial(jax.jit, static_argnums=0)
    def turn(name, params, own, key):
        loss = lambda p: losses[name]({**params, name: p}, batch, key)[0]
        last = jax.value_and_grad(loss)(params[name])
        updates, own = txs[name].update(last[1], own, params[name])
        return {**params, name: params[name] + updates}, own, last

    own = {name: tx.init(params[name]) for name, tx in txs.items()}
    for step in range(3):
        step_key, last = jax.random.fold_in(key, step), {}
        for number, name in enumerate(["b", "b", "a"]):  # in the order of the losses
            update_key = jax.random.fold_in(step_key, number)
            params, own[name], last[name] = turn(name, params, own[name], update_key)
    chex.assert_trees_all_close(state.params, params, rtol=1e-6)
    chex.assert_trees_all_close(state.opt_state.states, own, rtol=1e-6)
    expected = {f"{name}/loss": loss for name, (loss, _) in last.items()}
    expected["loss"] = sum(expected.values())
    expected |= {f"{name}/grad_norm": optax.tree.norm(grads) for name, (_, grads) in last.items()}
    expected["grad_norm"] = optax.tree.norm([grads for _, grads in last.values()])
    chex.assert_trees_all_close({name: metrics[name] for name in expected}, expected, rtol=1e-6)
    assert {"a/residual", "b/residual"} <= set(metrics)


def test_each_player_is_evaluated_where_its_optimizer_wants(key):
    txs = {
        "x": optax.contrib.schedule_free_sgd(0.1),
        "y": optax.lookahead(optax.sgd(0.1), sync_period=3, slow_step_size=0.5),
        "z": optax.sgd(0.1),
    }
    losses = {name: pull(name, 0.3) for name in txs}
    trainer = alternating(losses, txs, hooks=[pj.hooks.ema(0.0)])
    state, _ = run(trainer, {name: jnp.ones(2) for name in txs}, 4, key, jnp.ones(2))
    average = optax.contrib.schedule_free_eval_params(
        state.opt_state.states["x"], state.params["x"]
    )
    expected = {"x": average, "y": state.params["y"].slow, "z": state.params["z"]}
    # an average that forgets at once is what must be evaluated
    chex.assert_trees_all_close(trainer.eval_params(state), expected, rtol=1e-6)
    assert (expected["x"] != state.params["x"]).all()
    assert (expected["y"] != state.params["y"].fast).all()


def test_line_searches_search_along_their_players_loss(key):
    # a quadratic each: x settles at y + 1 and y at 3, whatever x does
    losses = {
        "x": lambda p, batch, key: (jnp.sum((p["x"] - p["y"] - 1.0) ** 2), {}),
        "y": lambda p, batch, key: (jnp.sum(4.0 * (p["y"] - 3.0) ** 2), {}),
    }
    trainer = alternating(losses, {"x": optax.lbfgs(), "y": optax.polyak_sgd(1.0)})
    state, _ = run(trainer, start(), 30, key)
    np.testing.assert_allclose(state.params["y"], 3.0, rtol=1e-4)
    np.testing.assert_allclose(state.params["x"], 4.0, rtol=1e-4)


def test_model_state_goes_from_update_to_update(key):
    count = lambda p, seen, batch, key: (jnp.sum(p["x"] * p["y"]), (seen + 1, {"seen": seen}))
    trainer = alternating({"x": count, "y": count}, SGD, steps={"x": 3}, stateful=True)
    state, metrics = run(trainer, start(), 2, key, model_state=jnp.int32(0))
    assert int(state.model_state) == 8
    assert metrics["y/seen"].tolist() == [3, 7]


def test_what_is_refused(key):
    assert_refused(
        lambda **change: alternating(**({"losses": GAME, "txs": SGD} | change)),
        ({"losses": {}}, ValueError, "losses: expected a loss for each player"),
        ({"txs": {"x": optax.sgd(0.1)}}, ValueError, "txs: expected .* without 'y'"),
        ({"txs": {**SGD, "z": optax.sgd(0.1)}}, ValueError, "txs: .* with the unknown 'z'"),
        ({"txs": {**SGD, "y": 0.1}}, TypeError, r"txs\['y'\]: expected an optax gradient"),
        ({"txs": optax.sgd(0.1)}, TypeError, "txs: expected a mapping from players"),
        ({"steps": {"critic": 5}}, ValueError, "steps: .* with the unknown 'critic'"),
        ({"steps": {"x": 0}}, ValueError, r"steps\['x'\]: expected a whole number from 1"),
        ({"steps": 5}, TypeError, "steps: expected a mapping from players to entries, got int 5"),
        ({"hooks": [pj.hooks.ema]}, TypeError, r"hooks\[0\]: expected a Hook"),
    )
    with pytest.raises(ValueError, match="params: .* without 'y', with the unknown 'z'"):
        alternating(GAME, SGD).init(key, {"x": jnp.ones(2), "z": jnp.ones(2)})
    trainer = alternating(GAME, SGD, hooks=[pj.hooks.monitor_groups()])
    with pytest.raises(ValueError, match="monitor_groups: this trainer has no single gradient"):
        trainer.step(trainer.init(key, start()), None)
