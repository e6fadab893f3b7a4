import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.step.hooks import skip_spikes


def run(trainer, key, norms):
    """Whether each step moved the parameters, the count of spikes, and the last state."""
    state, step = trainer.init(key, jnp.zeros(2)), jax.jit(trainer.step)
    moved, counts = [], []
    for norm in norms:
        before = state.params
        state, metrics = step(state, jnp.array([norm, 0.0]))
        moved.append(bool((state.params != before).any()))
        counts.append(int(metrics["spikes"]))
    return moved, counts, state


def by_hand(norms, threshold, decay, warmup, patience):
    """The same decisions from numpy's weighted mean and variance in float64."""
    seen, streak, decisions = [], 0, []
    for norm in norms:
        if not np.isfinite(norm):
            decisions.append(False)
            continue
        spike = False
        if len(seen) >= warmup:
            weights = decay ** np.arange(len(seen) - 1, -1, -1.0)
            mean = np.average(seen, weights=weights)
            deviation = np.sqrt(np.average((np.array(seen) - mean) ** 2, weights=weights))
            spike = norm > mean + threshold * deviation
        if spike and streak >= patience:
            seen, spike = [], False
        streak = streak + 1 if spike else 0
        if not spike:
            seen.append(norm)
        decisions.append(not spike)
    return decisions, seen


@pytest.fixture(scope="module")
def norms():
    """Noise around 1 with spikes, holes, and a change of level two thirds in."""
    random = np.random.default_rng(3)
    values = 1 + 0.1 * random.normal(size=120)
    values[80:] += 4
    values[[20, 45, 46, 60, 100]] = [3.0, 2.0, 9.0, np.inf, np.nan]
    return values.astype(np.float32)


@pytest.mark.parametrize("decay", [0.9, 0.99])
@pytest.mark.parametrize("patience", [1, 5])
def test_decides_as_numpy_does(drift, key, norms, decay, patience):
    settings = {"threshold": 4.0, "decay": decay, "warmup": 8, "patience": patience}
    trainer = pj.train_step(drift, optax.sgd(1.0), hooks=[skip_spikes(**settings)])
    moved, counts, state = run(trainer, key, norms)
    expected, seen = by_hand(norms.astype(np.float64), **settings)
    assert moved == expected
    assert not all(moved[:60])
    assert counts == np.cumsum(~np.array(expected)).tolist()
    own = state.hook_state[0]
    weights = decay ** np.arange(len(seen) - 1, -1, -1.0)
    mean = np.average(seen, weights=weights)
    np.testing.assert_allclose(own.mean, mean, rtol=1e-5)
    variance = np.average((np.array(seen) - mean) ** 2, weights=weights)
    np.testing.assert_allclose(own.scatter / own.weight, variance, rtol=1e-3)


def test_a_spike_changes_nothing_but_the_counters(drift, key):
    trainer = pj.train_step(drift, optax.adam(0.1), hooks=[skip_spikes(3.0, warmup=3)])
    step = jax.jit(trainer.step)
    state = trainer.init(key, jnp.ones(2))
    for size in (1.0, 1.1, 0.9):
        state, _ = step(state, jnp.array([size, 0.0]))
    after, metrics = step(state, jnp.array([5.0, 0.0]))
    chex.assert_trees_all_equal(after.params, state.params)
    chex.assert_trees_all_equal(after.opt_state, state.opt_state)
    statistics = lambda s: s.hook_state[0]._replace(streak=0, spikes=0)
    chex.assert_trees_all_equal(statistics(after), statistics(state))
    assert (int(after.step), int(metrics["spikes"])) == (4, 1)


def test_a_new_level_is_accepted_after_the_patience(drift, key):
    hooks = [skip_spikes(3.0, warmup=2, patience=4)]
    moved, counts, _ = run(pj.train_step(drift, optax.sgd(1.0), hooks), key, [1, 1.1] + [9.0] * 8)
    assert moved == [True] * 2 + [False] * 4 + [True] * 4
    assert counts[-1] == 4


def test_norms_that_are_not_finite_are_never_accepted(drift, key):
    hooks = [skip_spikes(3.0, warmup=2, patience=2)]
    moved, counts, state = run(
        pj.train_step(drift, optax.sgd(1.0), hooks), key, [np.nan] * 5 + [1.0, np.inf, 1.0]
    )
    assert moved == [False] * 5 + [True, False, True]
    assert counts[-1] == 6
    assert int(state.hook_state[0].seen) == 2


def test_equal_norms_are_no_spikes(drift, key):
    norms = [1.0, 1.0, 1.0, 1.0 + 1e-6, 1.0 - 1e-6, 1.0 + 2e-6]
    moved, _, _ = run(pj.train_step(drift, optax.sgd(1.0), [skip_spikes(warmup=2)]), key, norms)
    assert all(moved)


def test_a_later_guard_does_not_take_the_count_back(drift, key):
    hooks = [skip_spikes(3.0, warmup=2), pj.hooks.skip_nonfinite()]
    _, counts, _ = run(
        pj.train_step(drift, optax.sgd(1.0), hooks), key, [1.0, np.nan, 1.1, np.inf, 1.0]
    )
    assert counts == [0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"threshold": -1.0}, ValueError, "skip_spikes: threshold: expected a number from 0"),
        ({"threshold": "six"}, TypeError, "skip_spikes: threshold: expected a number, got str"),
        ({"decay": 1.0}, ValueError, "skip_spikes: decay: expected a number from 0, below 1"),
        ({"warmup": 1}, ValueError, "skip_spikes: warmup: expected a whole number from 2"),
        ({"patience": 0}, ValueError, "skip_spikes: patience: expected a whole number from 1"),
    ],
    ids=["threshold", "no number", "decay", "warmup", "patience"],
)
def test_arguments_out_of_range_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        skip_spikes(**arguments)
