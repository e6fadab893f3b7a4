import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from refusing import assert_refused

import paramjax as pj
from paramjax.step.hooks import polyak_average


def run(trainer, key, gradients, dtype=jnp.float32):
    """The iterates after each step, and what is evaluated there."""
    state = trainer.init(key, jnp.zeros(2, dtype))
    step, iterates, evaluated = jax.jit(trainer.step), [], []
    for gradient in gradients:
        state, _ = step(state, jnp.asarray(gradient, dtype))
        iterates.append(np.asarray(state.params, np.float64))
        evaluated.append(np.asarray(trainer.eval_params(state), np.float64))
    return state, np.array(iterates), np.array(evaluated)


@pytest.mark.parametrize(("start", "every"), [(0, 1), (3, 2)])
def test_is_the_mean_of_the_iterates(drift, key, start, every):
    trainer = pj.train_step(drift, optax.sgd(1.0), hooks=[polyak_average(start, every)])
    gradients = np.random.default_rng(0).normal(size=(11, 2))
    _, iterates, evaluated = run(trainer, key, gradients)
    first = trainer.init(key, jnp.ones(2))
    chex.assert_trees_all_equal(trainer.eval_params(first), jnp.ones(2))
    for step in range(1, 12):
        taken = iterates[start + every - 1 : step : every]
        expected = taken.mean(0) if len(taken) else iterates[step - 1]
        np.testing.assert_allclose(evaluated[step - 1], expected, rtol=1e-5, atol=1e-6)


def test_averages_half_precision_in_single(drift, key):
    trainer = pj.train_step(drift, optax.sgd(1.0), hooks=[polyak_average()])
    # bfloat16 cannot add 1/4 to 128: its average of 128, 129, 128, 129 would stay 128
    gradients = [[-128.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]
    state, _, _ = run(trainer, key, gradients, jnp.bfloat16)
    assert state.hook_state[0].average.dtype == jnp.float32
    assert float(state.hook_state[0].average[0]) == 128.5
    assert trainer.eval_params(state).dtype == jnp.bfloat16


def test_the_order_decides_whether_a_rejected_step_counts(drift, key):
    gradients = [[-1.0, 0.0], [np.nan, 0.0], [-4.0, 0.0]]  # iterates 1, 1 (rejected), 5

    def average(hooks):
        return run(pj.train_step(drift, optax.sgd(1.0), hooks=hooks), key, gradients)[2][-1, 0]

    first = average([pj.hooks.skip_nonfinite(), polyak_average()])
    last = average([polyak_average(), pj.hooks.skip_nonfinite()])
    assert (first, last) == pytest.approx(((1 + 1 + 5) / 3, (1 + 5) / 2))


def test_averages_what_the_optimizer_evaluates(line, line_loss, line_params, key):
    tx = optax.lookahead(optax.sgd(0.1), 2, 0.5)
    trainer = pj.train_step(line_loss, tx, hooks=[polyak_average()])
    state, step, slow = trainer.init(key, line_params), jax.jit(trainer.step), []
    for _ in range(4):
        state, _ = step(state, line)
        slow.append(state.params.slow["w"])
    np.testing.assert_allclose(trainer.eval_params(state)["w"], np.mean(slow, 0), rtol=1e-6)


def test_counts_out_of_range_are_refused():
    assert_refused(
        polyak_average,
        ({"start": -1}, ValueError, "polyak_average: start: expected a whole number from 0"),
        ({"every": 0}, ValueError, "polyak_average: every: expected a whole number from 1"),
        ({"every": 1.5}, TypeError, "polyak_average: every: expected a whole number, got float"),
    )
