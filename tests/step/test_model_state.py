"""State that is not differentiated: batch statistics, dropout keys, a recurrent carry."""

import functools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.data import batch_order


class Net(nn.Module):
    """A perceptron with batch normalisation and dropout."""

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(nn.Dense(4)(x)))
        return nn.Dense(1)(nn.Dropout(0.25, deterministic=not train)(x))


NET = Net()
CELL = nn.SimpleCell(4)
TX = optax.adam(0.01)


def net_loss(params, model_state, batch, key):
    """The loss of a linen module with state, as its documentation writes it."""
    outputs, model_state = NET.apply(
        {"params": params, **model_state},
        batch["x"],
        train=True,
        mutable=["batch_stats"],
        rngs={"dropout": key},
    )
    return ((outputs - batch["y"]) ** 2).mean(), (model_state, {})


@pytest.fixture(scope="module")
def data():
    x = jax.random.normal(jax.random.key(3), (16, 3))
    return {"x": x, "y": jnp.sin(x.sum(axis=1, keepdims=True))}


@pytest.fixture(scope="module")
def start(data):
    variables = jax.jit(lambda key: NET.init(key, data["x"], train=False))(jax.random.key(0))
    return variables["params"], {"batch_stats": variables["batch_stats"]}


@functools.cache
def step_by_hand(loss_fn):
    """The step that people write: value_and_grad with the state as aux, then optax."""

    @jax.jit
    def step(params, model_state, opt_state, batch, key):
        grad = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, (model_state, _)), grads = grad(params, model_state, batch, key)
        updates, opt_state = TX.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), model_state, opt_state, loss

    return step


def by_hand(loss_fn, params, model_state, batches, key):
    opt_state, losses = TX.init(params), []
    for index, batch in enumerate(batches):
        step_key = jax.random.fold_in(key, index)
        params, model_state, opt_state, loss = step_by_hand(loss_fn)(
            params, model_state, opt_state, batch, step_key
        )
        losses.append(loss)
    return params, model_state, losses


def test_batch_statistics_and_dropout_in_a_run(data, start, key):
    """`fit` starts at the given state, and its last state is the one to evaluate with."""
    trainer = pj.train_step(net_loss, TX, stateful=True)
    run = pj.fit(trainer, start[0], data, key=key, steps=5, batch_size=8, model_state=start[1])
    state_key, data_key = jax.random.split(key)
    order = np.asarray(batch_order(data_key, 16, 8, 5))
    batches = [jax.tree.map(lambda leaf, rows=rows: leaf[rows], data) for rows in order]
    params, model_state, losses = by_hand(net_loss, *start, batches, state_key)
    np.testing.assert_allclose(run.history["loss"], losses, rtol=1e-5)
    chex.assert_trees_all_close(run.params, params, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(run.state.model_state, model_state, rtol=1e-5, atol=1e-6)


def test_statistics_step_by_step_until_a_step_is_rejected(data, start, key):
    trainer = pj.train_step(net_loss, TX, [pj.hooks.skip_nonfinite()], stateful=True)
    batch = jax.tree.map(lambda leaf: leaf[:8], data)
    state, step, losses = trainer.init(key, *start), jax.jit(trainer.step), []
    for _ in range(4):
        state, metrics = step(state, batch)
        losses.append(metrics["loss"])
    params, model_state, expected = by_hand(net_loss, *start, [batch] * 4, key)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    chex.assert_trees_all_close(state.params, params, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(state.model_state, model_state, rtol=1e-5, atol=1e-6)
    after, _ = step(state, {**batch, "x": batch["x"].at[0, 0].set(jnp.nan)})
    chex.assert_trees_all_equal(after.model_state, state.model_state)
    chex.assert_trees_all_equal(after.params, state.params)


def carry_loss(params, carry, batch, key):
    """One window of truncated backpropagation: the carry is an argument, so a constant."""
    del key

    def cell(carry, x):
        carry, hidden = CELL.apply({"params": params["cell"]}, carry, x)
        return carry, hidden @ params["readout"]

    carry, outputs = jax.lax.scan(cell, carry, batch["x"])
    return ((outputs - batch["y"]) ** 2).mean(), (carry, {})


def test_a_recurrent_carry_crosses_the_windows_and_no_gradient_does(key):
    """Truncated backpropagation through time (Williams and Peng, 1990)."""
    # six windows of four steps of two sequences: predict the value two steps before
    x = np.asarray(jax.random.normal(jax.random.key(5), (24, 2, 1)))
    y = np.concatenate([np.zeros((2, 2, 1), np.float32), x[:-2]])
    stacked = {"x": x.reshape(6, 4, 2, 1), "y": y.reshape(6, 4, 2, 1)}
    windows = [jax.tree.map(lambda leaf, i=i: leaf[i], stacked) for i in range(6)]
    carry = jnp.zeros((2, 4))
    cell = CELL.init(key, carry, x[0])["params"]
    params = {"cell": cell, "readout": jnp.ones((4, 1))}
    trainer = pj.train_step(carry_loss, TX, stateful=True)
    state, metrics = jax.jit(lambda s: jax.lax.scan(trainer.step, s, stacked))(
        trainer.init(key, params, carry)
    )
    expected, last_carry, losses = by_hand(carry_loss, params, carry, windows, key)
    np.testing.assert_allclose(metrics["loss"], losses, rtol=1e-5)
    chex.assert_trees_all_close(state.params, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state.model_state, last_carry, rtol=1e-5, atol=1e-6)
    # a carry reset at each window would give another loss in the second window
    first, _, _ = by_hand(carry_loss, params, carry, windows[:1], key)
    restarted = carry_loss(first, carry, windows[1], None)[0]
    assert abs(metrics["loss"][1] - restarted) > 1e-3
