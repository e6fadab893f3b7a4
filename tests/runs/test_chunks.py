import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax._threefry import words
from paramjax.data._sampler import host_batches
from paramjax.runs._batch_spec import BatchSpec, batch_at
from paramjax.runs._chunks import advance, begin, finite_steps
from paramjax.runs._metric_rows import MetricRows
from paramjax.runs._order import Order

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
    state_key, data_key = jax.random.split(key)
    state = begin(trainer, jnp.zeros(3), (), state_key)
    data, losses, done = jax.tree.map(jnp.asarray, DATA), [], 0
    order = Order(plan, words(data_key), STEPS, jax.device_put)
    for most in itertools.cycle(cuts):
        most = min(most, STEPS - done)
        rows, first, _ = (None, 0, 0) if plan.batch_size is None else order.at(done)
        chunk = advance(trainer, plan, state, data, rows, first, most)
        state = chunk.state
        losses.append(np.array(jax.device_get(chunk.rows).metrics(most)["loss"]))
        assert len(losses[-1]) == most
        done += most
        if done == STEPS:
            order.close()
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


@pytest.mark.parametrize("burst", [1, 4], ids=["steps", "bursts"])
@pytest.mark.parametrize(
    ("size", "last", "batches"),
    [(4, "drop", dropped), (4, "keep", kept), (4, "pad", kept), (None, "drop", whole)],
    ids=["drop", "keep", "pad", "whole"],
)
def test_however_a_run_is_cut_its_bits_are_those_of_the_whole(
    trainer, key, size, last, batches, burst
):
    plan = BatchSpec(ROWS, size, last, burst=burst)
    state, losses = run(trainer, plan, [STEPS], key)
    for cuts in ([1], [5, 2]):
        again, others = run(trainer, plan, cuts, key)
        chex.assert_trees_all_equal(again, state)
        np.testing.assert_array_equal(others, losses)
    expected, expected_losses = by_hand(trainer, batches, key)
    chex.assert_trees_all_close(state.params, expected.params, rtol=1e-5)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)


def test_padding_comes_from_the_same_epoch_and_weighs_nothing(key):
    rows = host_batches(words(key), 3, 1, 10, 4, "pad")
    order = jax.random.permutation(jax.random.fold_in(key, 3), 10)
    np.testing.assert_array_equal(rows.reshape(-1), [*order, *order[:2]])
    weights = [batch_at(BatchSpec(10, 4, "pad"), DATA, rows, n)["weight"] for n in range(3)]
    np.testing.assert_array_equal(np.ravel(weights), [1.0] * 10 + [0.0] * 2)


def test_the_order_of_a_later_block_does_not_depend_on_where_it_is_begun(key):
    plan = BatchSpec(rows=300_000, batch_size=70_000, last="keep")
    order = Order(plan, words(key), 40, jax.device_put)
    rows, first, _ = order.at(17)
    expected = jax.random.permutation(jax.random.fold_in(key, 3), 300_000)
    assert (plan.block_steps, first) == (10, 7)
    np.testing.assert_array_equal(rows[5:9].reshape(-1), expected[:280_000])
    order.close()


@pytest.mark.parametrize("burst", [1, 128])
def test_a_stack_of_batches_gives_the_same_wherever_it_is_cut(trainer, key, burst):
    state = begin(trainer, jnp.zeros(3), (), key)
    stack = jax.tree.map(lambda leaf: jnp.stack([leaf[:4], leaf[3:7], leaf[6:]]), DATA)
    plan = BatchSpec(burst=burst)
    once = advance(trainer, plan, state, stack, None, 0, 3)
    first = advance(trainer, plan, state, stack, None, 0, 1)
    second = advance(trainer, plan, first.state, stack, None, 1, 2)
    chex.assert_trees_all_equal(once.state, second.state)
    assert int(once.state.step) == 3


@pytest.mark.parametrize("burst", [1, 4])
def test_steps_that_are_not_finite_show_in_the_metrics_of_a_chunk(key, burst):
    trainer = pj.train_step(lambda w, batch, key: (w**2 + jnp.log(w - 1), {}), optax.sgd(1.0))
    plan = BatchSpec(rows=1, burst=burst)
    state = begin(trainer, jnp.float32(2.0), (), key)
    chunk = jax.device_get(advance(trainer, plan, state, jnp.ones(1), None, 0, 9))
    # 2 -> 2 - (4 + 1) = -3, whose logarithm is none
    assert finite_steps(trainer, chunk.rows.metrics(9)) == 1
    assert float(state.params) == 2.0  # what the chunk started from is still there
    once_more = advance(trainer, plan, state, jnp.ones(1), None, 0, 1)
    assert float(once_more.state.params) == -3.0


def test_metrics_end_where_the_room_does_and_may_be_empty():
    metrics = {"loss": jnp.float32(0.5), "none": jnp.zeros(0, "int8")}
    rows = MetricRows.room(jax.eval_shape(lambda: metrics), 3, beyond=4).written(2, metrics)
    found = rows.metrics(9)
    assert found["loss"].tolist() == [0.0, 0.0, 0.5]
    assert found["none"].shape == (3, 0)


def test_a_run_that_is_over_needs_no_rows(tmp_path, monkeypatch, key, trainer):
    monkeypatch.setattr("paramjax.runs._batch_spec._ORDER_SIZE", 8)  # blocks of two steps
    again = lambda: pj.fit(
        trainer, jnp.zeros(3), DATA, key=key, steps=4, batch_size=4,
        checkpoints=pj.Checkpoints(tmp_path),
    )  # fmt: skip
    chex.assert_trees_all_equal(again().params, again().params)
