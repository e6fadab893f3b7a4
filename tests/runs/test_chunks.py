import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.data._sampler import epoch_batches
from paramjax.runs._batch_spec import BatchSpec
from paramjax.runs._chunks import advance, advance_on, begin

ROWS, STEPS = 10, 12
DATA = {
    "x": np.random.default_rng(0).normal(size=(ROWS, 3)).astype(np.float32),
    "y": np.arange(ROWS, dtype=np.float32),
}


def loss_fn(w, batch, key):
    weight = batch.get("weight", jnp.ones(len(batch["y"])))
    noise = jax.random.normal(key)  # so that every step must have its own key
    losses = (batch["x"] @ w - batch["y"] - 0.1 * noise) ** 2
    return (weight * losses).sum() / weight.sum(), {}


@pytest.fixture(scope="module")
def trainer():
    return pj.train_step(loss_fn, optax.adam(0.1))


def run(trainer, plan, cuts, key):
    state, cursor, data_key = begin(trainer, plan, jnp.zeros(3), (), key)
    data, losses, done = jax.tree.map(jnp.asarray, DATA), [], 0
    for most in itertools.cycle(cuts):
        most = min(most, STEPS - done)
        chunk = advance(trainer, plan, state, cursor, data, data_key, done, most)
        state, cursor = chunk.state, chunk.cursor
        assert int(chunk.done) == most
        losses.append(np.array(chunk.metrics["loss"][:most]))
        done += most
        if done == STEPS:
            return state, np.concatenate(losses)


def by_hand(trainer, batches, key):
    """The same steps, one after the other, on batches made with numpy."""
    state_key, data_key = jax.random.split(key)
    state, losses = trainer.init(state_key, jnp.zeros(3)), []
    step = jax.jit(trainer.step)
    for batch in itertools.islice(batches(data_key), STEPS):
        state, metrics = step(state, batch)
        losses.append(float(metrics["loss"]))
    return state, np.array(losses, np.float32)


def rows_of_epochs(data_key):
    for epoch in itertools.count():
        order = jax.random.permutation(jax.random.fold_in(data_key, epoch), ROWS)
        yield np.asarray(order)


def dropped(data_key):
    for order in rows_of_epochs(data_key):
        for first in (0, 4):
            yield {name: leaf[order[first : first + 4]] for name, leaf in DATA.items()}


def kept(data_key):
    for order in rows_of_epochs(data_key):
        for first in (0, 4, 8):
            yield {name: leaf[order[first : first + 4]] for name, leaf in DATA.items()}


def whole(data_key):
    while True:
        yield DATA


@pytest.mark.parametrize(
    ("size", "last", "batches"),
    [(4, "drop", dropped), (4, "keep", kept), (4, "pad", kept), (None, "drop", whole)],
    ids=["drop", "keep", "pad", "whole"],
)
def test_however_a_run_is_cut_its_bits_are_those_of_the_whole(trainer, key, size, last, batches):
    plan = BatchSpec(ROWS, size, last)
    state, losses = run(trainer, plan, [STEPS], key)
    for cuts in ([1], [5, 2]):
        again, others = run(trainer, plan, cuts, key)
        chex.assert_trees_all_equal(again, state)
        np.testing.assert_array_equal(others, losses)
    expected, expected_losses = by_hand(trainer, batches, key)
    chex.assert_trees_all_close(state.params, expected.params, rtol=1e-5)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)


def test_padding_comes_from_the_same_epoch_and_weighs_nothing(key):
    rows, weight = epoch_batches(key, 3, 1, 10, 4, "pad")
    order = jax.random.permutation(jax.random.fold_in(key, 3), 10)
    np.testing.assert_array_equal(rows.reshape(-1), [*order, *order[:2]])
    np.testing.assert_array_equal(weight.reshape(-1), [1.0] * 10 + [0.0] * 2)


def test_a_stack_of_batches_gives_the_same_wherever_it_is_cut(trainer, key):
    state, _, _ = begin(trainer, BatchSpec(), jnp.zeros(3), (), key)
    stack = jax.tree.map(lambda leaf: jnp.stack([leaf[:4], leaf[3:7], leaf[6:]]), DATA)
    once = advance_on(trainer, BatchSpec(), state, stack, 0, 3)
    first = advance_on(trainer, BatchSpec(), state, stack, 0, 1)
    second = advance_on(trainer, BatchSpec(), first.state, stack, 1, 2)
    chex.assert_trees_all_equal(once.state, second.state)
    assert int(once.done) == 3


def test_a_step_that_is_not_finite_ends_the_chunk_with_its_metrics(key):
    trainer = pj.train_step(lambda w, batch, key: (w**2 + jnp.log(w - 1), {}), optax.sgd(1.0))
    plan = BatchSpec(rows=1)
    state, _, data_key = begin(trainer, plan, jnp.float32(2.0), (), key)
    chunk = advance(trainer, plan, state, None, jnp.ones(1), data_key, 0, 9)
    # 2 -> 2 - (4 + 1) = -3, whose logarithm is none
    assert not bool(chunk.ok)
    assert int(chunk.done) == 1
    assert np.isfinite(chunk.metrics["loss"][0])
    assert np.isnan(chunk.metrics["loss"][1])
    assert float(state.params) == 2.0  # what the chunk started from is still there
    onwards = advance(trainer, plan._replace(stop=False), state, None, jnp.ones(1), data_key, 0, 9)
    assert int(onwards.done) == 9
