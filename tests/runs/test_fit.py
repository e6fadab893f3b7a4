import itertools
import warnings

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.data import batch_order
from paramjax.runs import NonFiniteWarning


@pytest.fixture(scope="module")
def trainer(line_loss):
    return pj.train_step(line_loss, optax.sgd(0.2))


def test_full_batch_reaches_the_line(trainer, line, line_params, key):
    run = pj.fit(trainer, line_params, line, key=key, steps=200)
    np.testing.assert_allclose(run.params["w"], 3.0, rtol=1e-4)
    np.testing.assert_allclose(run.params["b"], 2.0, rtol=1e-4)
    assert run.history["loss"].shape == (200,)
    assert int(run.state.step) == 200


def test_batches_follow_the_order_of_the_data_key(trainer, line, line_params, key):
    run = pj.fit(trainer, line_params, line, key=key, steps=9, batch_size=8)
    state_key, data_key = jax.random.split(key)
    state = trainer.init(state_key, line_params)
    for rows in np.asarray(batch_order(data_key, 20, 8, 9)):
        state, _ = trainer.step(state, jax.tree.map(lambda leaf, r=rows: leaf[r], line))
    chex.assert_trees_all_close(run.state.params, state.params, rtol=1e-6)
    chex.assert_trees_all_equal(run.state.key, state.key)


def test_the_same_key_gives_the_same_bits(trainer, line, line_params, key):
    runs = [pj.fit(trainer, line_params, line, key=key, steps=9, batch_size=8) for _ in range(2)]
    chex.assert_trees_all_equal(runs[0].params, runs[1].params)
    other = pj.fit(trainer, line_params, line, key=jax.random.key(1), steps=9, batch_size=8)
    assert (other.history["loss"] != runs[0].history["loss"]).any()


def test_two_fits_with_one_trainer_trace_once(line, line_loss, line_params, key):
    traces = []

    def counted(params, batch, key):
        traces.append(1)
        return line_loss(params, batch, key)

    trainer = pj.train_step(counted, optax.sgd(0.1))
    for seed in range(2):
        pj.fit(trainer, line_params, line, key=jax.random.key(seed), steps=3)
    assert len(traces) == 1


def test_params_are_those_to_evaluate(line, line_loss, line_params, key):
    trainer = pj.train_step(line_loss, optax.sgd(0.1), hooks=[pj.hooks.ema(0.9)])
    run = pj.fit(trainer, line_params, line, key=key, steps=5)
    chex.assert_trees_all_close(run.params, trainer.eval_params(run.state))
    assert (run.params["w"] != run.state.params["w"]).all()


def test_a_lost_loss_is_said_with_its_step(line, line_loss, line_params, key):
    trainer = pj.train_step(line_loss, optax.sgd(1e6))
    with pytest.warns(
        NonFiniteWarning, match=r"not finite at step \d+ \(the one before was .* of 30 steps"
    ):
        pj.fit(trainer, line_params, line, key=key, steps=30, nonfinite="warn")


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_out_of_range_never_train(key, label):
    loss = pj.losses.supervised(lambda w, x: x @ w, pj.losses.cross_entropy)
    trainer = pj.train_step(loss, optax.sgd(0.1))
    data = {"x": np.ones((4, 2), np.float32), "y": np.array([0, 1, 2, label])}
    with pytest.raises(ValueError, match="are all labels in the range"):
        pj.fit(trainer, jnp.zeros((2, 3)), data, key=key, steps=2)


def test_a_finite_run_warns_of_nothing(trainer, line, line_params, key):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pj.fit(trainer, line_params, line, key=key, steps=200)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"key": jax.random.PRNGKey(0)}, TypeError, "legacy PRNGKey"),
        ({"key": jax.random.key(0, impl="rbg")}, ValueError, "threefry"),
        ({"steps": 0}, ValueError, "steps: expected a whole number from 1"),
        ({"steps": 1.5}, TypeError, "steps: expected a whole number"),
        ({"batch_size": 21}, ValueError, "at most the 20 rows of the data, got 21"),
        ({"batch_size": 0}, ValueError, "batch_size: expected a whole number from 1"),
        ({"data": {"x": np.zeros((0, 1)), "y": np.zeros((0, 1))}}, ValueError, "is empty"),
        ({"data": {"x": np.full((3, 1), np.nan), "y": np.zeros((3, 1))}}, ValueError, "NaN"),
        ({"params": {"w": np.zeros((1, 1), np.int32)}}, TypeError, "leaf w is int32"),
    ],
)
def test_bad_input_is_refused_at_the_edge(trainer, line, line_params, key, change, error, message):
    arguments = {"params": line_params, "data": line, "key": key, "steps": 2} | change
    with pytest.raises(error, match=message):
        pj.fit(trainer, **arguments)


def test_a_stream_is_read_as_far_as_the_run_goes(trainer, line, line_params, key):
    drawn = []

    def batches():
        for number in itertools.count():
            drawn.append(number)
            yield line

    stream = batches()
    first = pj.fit(trainer, line_params, stream, key=key, steps=7)
    assert drawn == list(range(7))
    pj.fit(trainer, first.state.params, stream, key=key, steps=5)
    assert drawn == list(range(12))
    whole = pj.fit(trainer, line_params, line, key=key, steps=7)
    np.testing.assert_allclose(first.history["loss"], whole.history["loss"], rtol=1e-5)
