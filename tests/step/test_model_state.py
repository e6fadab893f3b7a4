"""State that is not differentiated: batch statistics, dropout keys, a recurrent carry."""

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
        x = nn.Dense(8)(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        x = nn.Dropout(0.25, deterministic=not train)(x)
        return nn.Dense(1)(x)


NET = Net()
CELL = nn.SimpleCell(4)


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


def by_hand(loss_fn, tx, params, model_state, batches, key):
    """The loop that people write: value_and_grad with the state as aux, then optax."""

    @jax.jit
    def step(params, model_state, opt_state, batch, key):
        grad = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, (model_state, _)), grads = grad(params, model_state, batch, key)
        updates, opt_state = tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), model_state, opt_state, loss

    opt_state, losses = tx.init(params), []
    for place, batch in enumerate(batches):
        key_t = jax.random.fold_in(key, place)
        params, model_state, opt_state, loss = step(params, model_state, opt_state, batch, key_t)
        losses.append(loss)
    return params, model_state, losses


def test_batch_statistics_and_dropout_step_by_step(data, start, key):
    tx = optax.adam(0.01)
    trainer = pj.train_step(net_loss, tx, stateful=True)
    state, step, losses = trainer.init(key, *start), jax.jit(trainer.step), []
    for _ in range(4):
        state, metrics = step(state, data)
        losses.append(metrics["loss"])
    params, model_state, expected = by_hand(net_loss, tx, *start, [data] * 4, key)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    chex.assert_trees_all_close(state.params, params, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(state.model_state, model_state, rtol=1e-5, atol=1e-6)


def test_batch_statistics_and_dropout_in_a_run(data, start, key):
    """`fit` starts at the given state, and its last state is the one to evaluate with."""
    tx = optax.adam(0.01)
    trainer = pj.train_step(net_loss, tx, stateful=True)
    run = pj.fit(trainer, start[0], data, key=key, steps=5, batch_size=8, model_state=start[1])
    state_key, data_key = jax.random.split(key)
    order = np.asarray(batch_order(data_key, 16, 8, 5))
    batches = [jax.tree.map(lambda leaf, rows=rows: leaf[rows], data) for rows in order]
    params, model_state, losses = by_hand(net_loss, tx, *start, batches, state_key)
    np.testing.assert_allclose(run.history["loss"], losses, rtol=1e-5)
    chex.assert_trees_all_close(run.params, params, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(run.state.model_state, model_state, rtol=1e-5, atol=1e-6)
    outputs, expected = (
        NET.apply({"params": p, **s}, data["x"], train=False)
        for p, s in ((run.params, run.state.model_state), (params, model_state))
    )
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_a_rejected_step_keeps_the_old_statistics(data, start, key):
    trainer = pj.train_step(net_loss, optax.sgd(0.1), [pj.hooks.skip_nonfinite()], stateful=True)
    state = trainer.init(key, *start)
    bad = {**data, "x": data["x"].at[0, 0].set(jnp.nan)}
    after, _ = jax.jit(trainer.step)(state, bad)
    chex.assert_trees_all_equal(after.model_state, state.model_state)
    chex.assert_trees_all_equal(after.params, state.params)


def carry_loss(params, carry, batch, key):
    """One window of truncated backpropagation: the carry comes in as a number, not a function."""
    del key

    def cell(carry, x):
        carry, hidden = CELL.apply({"params": params["cell"]}, carry, x)
        return carry, hidden @ params["readout"]

    carry, outputs = jax.lax.scan(cell, carry, batch["x"])
    return ((outputs - batch["y"]) ** 2).mean(), (carry, {})


@pytest.fixture(scope="module")
def windows():
    """Six windows of four steps of two sequences: predict the value two steps before."""
    x = np.asarray(jax.random.normal(jax.random.key(5), (24, 2, 1)))
    y = np.concatenate([np.zeros((2, 2, 1), np.float32), x[:-2]])
    return [{"x": x[i : i + 4], "y": y[i : i + 4]} for i in range(0, 24, 4)]


def test_a_recurrent_carry_crosses_the_windows(windows, key):
    """Truncated backpropagation through time (Williams and Peng, 1990)."""
    carry = jnp.zeros((2, 4))
    cell = CELL.init(key, carry, windows[0]["x"][0])["params"]
    params = {"cell": cell, "readout": jnp.ones((4, 1))}
    tx = optax.sgd(0.1)
    trainer = pj.train_step(carry_loss, tx, stateful=True)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *windows)
    state, metrics = jax.jit(lambda s: jax.lax.scan(trainer.step, s, stacked))(
        trainer.init(key, params, carry)
    )
    expected, last_carry, losses = by_hand(carry_loss, tx, params, carry, windows, key)
    np.testing.assert_allclose(metrics["loss"], losses, rtol=1e-5)
    chex.assert_trees_all_close(state.params, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state.model_state, last_carry, rtol=1e-5, atol=1e-6)
    # a carry reset at each window would give other losses from the second window on
    restarted = [carry_loss(params, carry, window, None)[0] for window in windows[:2]]
    np.testing.assert_allclose(metrics["loss"][0], restarted[0], rtol=1e-5)
    assert abs(metrics["loss"][1] - restarted[1]) > 1e-3


def test_no_gradient_flows_into_the_window_before(windows, key):
    """With the parameters held, the window's gradient treats the carry as a constant."""
    carry = jnp.zeros((2, 4))
    cell = CELL.init(key, carry, windows[0]["x"][0])["params"]
    params = {"cell": cell, "readout": jnp.ones((4, 1))}
    frozen = pj.train_step(carry_loss, optax.sgd(0.0), stateful=True)
    state = frozen.init(key, params, carry)
    for window in windows[:2]:
        state, metrics = frozen.step(state, window)
    middle, _ = carry_loss(params, carry, windows[0], None)[1]
    grads = jax.grad(lambda p: carry_loss(p, middle, windows[1], None)[0])(params)
    np.testing.assert_allclose(metrics["grad_norm"], optax.tree.norm(grads), rtol=1e-5)
