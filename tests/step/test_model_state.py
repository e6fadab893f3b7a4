"""State that is not differentiated: batch statistics, dropout keys, a recurrent carry."""

import functools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from comparing import at
from stepping import run_steps

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
def start(sine):
    variables = jax.jit(lambda key: NET.init(key, sine["x"], train=False))(jax.random.key(0))
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
    opt_state, losses, step = TX.init(params), [], step_by_hand(loss_fn)
    for index, batch in enumerate(batches):
        states = params, model_state, opt_state
        params, model_state, opt_state, loss = step(*states, batch, jax.random.fold_in(key, index))
        losses.append(loss)
    return params, model_state, losses


def assert_equals(params, model_state, losses, expected):
    """The same parameters, model state and losses up to rounding."""
    np.testing.assert_allclose(losses, expected[2], rtol=1e-5)
    chex.assert_trees_all_close((params, model_state), expected[:2], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_batch_statistics_and_dropout_in_a_run(sine, start, key):
    """`fit` starts at the given state, and its last state is the one to evaluate with."""
    trainer = pj.train_step(net_loss, TX, stateful=True)
    run = pj.fit(trainer, start[0], sine, key=key, steps=5, batch_size=8, model_state=start[1])
    state_key, data_key = jax.random.split(key)
    batches = [at(sine, rows) for rows in np.asarray(batch_order(data_key, 16, 8, 5))]
    expected = by_hand(net_loss, *start, batches, state_key)
    assert_equals(run.params, run.state.model_state, run.history["loss"], expected)


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
    windows = [at(stacked, i) for i in range(6)]
    carry = jnp.zeros((2, 4))
    params = {"cell": CELL.init(key, carry, x[0])["params"], "readout": jnp.ones((4, 1))}
    trainer = pj.train_step(carry_loss, TX, stateful=True)
    state, metrics = run_steps(trainer, params, key, stacked, model_state=carry)
    expected = by_hand(carry_loss, params, carry, windows, key)
    assert_equals(state.params, state.model_state, metrics["loss"], expected)
    # a carry reset at each window would give another loss in the second window
    first, _, _ = by_hand(carry_loss, params, carry, windows[:1], key)
    restarted = carry_loss(first, carry, windows[1], None)[0]
    assert abs(metrics["loss"][1] - restarted) > 1e-3
