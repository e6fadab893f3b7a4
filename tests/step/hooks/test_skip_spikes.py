import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from comparing import at
from refusing import assert_refused

import paramjax as pj
from paramjax.step.hooks import skip_nonfinite, skip_spikes


def run(key, norms, *hooks, tx=None):
    """Whether each step moved the parameters, the count of spikes, and all states."""
    drift = lambda params, batch, key: (params @ jnp.stack([batch, 0 * batch]), {})
    trainer = pj.train_step(drift, tx or optax.sgd(1.0), hooks)

    def body(state, norm):
        after, metrics = trainer.step(state, norm)
        moved = (after.params != state.params).any()
        return after, (moved, metrics["spikes"], after._replace(key=()))

    state = trainer.init(key, jnp.zeros(2))
    _, (moved, counts, states) = jax.lax.scan(body, state, jnp.asarray(norms, jnp.float32))
    return moved.tolist(), counts.tolist(), states


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


@pytest.mark.parametrize(("decay", "patience"), [(0.9, 1), (0.99, 5)])
def test_decides_as_numpy_does(key, decay, patience):
    """Noise around 1 with spikes, holes, and a change of level two thirds in."""
    norms = 1 + 0.1 * np.random.default_rng(3).normal(size=120).astype(np.float32)
    norms[80:] += 4
    norms[[20, 45, 46, 60, 100]] = [3.0, 2.0, 9.0, np.inf, np.nan]
    settings = {"threshold": 4.0, "decay": decay, "warmup": 8, "patience": patience}
    moved, counts, states = run(key, norms, skip_spikes(**settings))
    expected, seen = by_hand(norms.astype(np.float64), **settings)
    assert moved == expected
    assert not all(moved[:60])
    assert counts == np.cumsum(~np.array(expected)).tolist()
    own = at(states, -1).hook_state[0]
    weights = decay ** np.arange(len(seen) - 1, -1, -1.0)
    mean = np.average(seen, weights=weights)
    np.testing.assert_allclose(own.mean, mean, rtol=1e-5)
    variance = np.average((np.array(seen) - mean) ** 2, weights=weights)
    np.testing.assert_allclose(own.deviation**2, variance, rtol=1e-3)


def test_a_spike_changes_nothing_but_the_counters(key):
    hook = skip_spikes(3.0, warmup=3)
    _, counts, states = run(key, [1.0, 1.1, 0.9, 5.0], hook, tx=optax.adam(0.1))
    before, after = at(states, 2), at(states, 3)
    chex.assert_trees_all_equal(after.params, before.params)
    chex.assert_trees_all_equal(after.opt_state, before.opt_state)
    statistics = lambda s: s.hook_state[0]._replace(streak=0, spikes=0)
    chex.assert_trees_all_equal(statistics(after), statistics(before))
    assert (int(after.step), counts[-1]) == (4, 1)


def test_a_new_level_is_accepted_after_the_patience_and_what_is_not_finite_never(key):
    moved, counts, _ = run(key, [1, 1.1] + [9.0] * 8, skip_spikes(3.0, warmup=2, patience=4))
    assert moved == [True] * 2 + [False] * 4 + [True] * 4
    assert counts[-1] == 4
    norms = [np.nan] * 5 + [1.0, np.inf, 1.0]
    moved, counts, states = run(key, norms, skip_spikes(3.0, warmup=2, patience=2))
    assert moved == [False] * 5 + [True, False, True]
    assert counts[-1] == 6
    assert int(at(states, -1).hook_state[0].seen) == 2


def test_equal_norms_are_no_spikes_and_a_later_guard_does_not_undo_the_count(key):
    norms = [1.0, 1.0, 1.0, 1.0 + 1e-6, 1.0 - 1e-6, 1.0 + 2e-6]
    assert all(run(key, norms, skip_spikes(warmup=2))[0])
    hooks = [skip_spikes(3.0, warmup=2), skip_nonfinite()]
    assert run(key, [1.0, np.nan, 1.1, np.inf, 1.0], *hooks)[1] == [0, 1, 1, 2, 2]


def test_arguments_out_of_range_are_refused():
    assert_refused(
        skip_spikes,
        ({"threshold": -1.0}, ValueError, "skip_spikes: threshold: expected a number from 0"),
        ({"threshold": "six"}, TypeError, "skip_spikes: threshold: expected a number, got str"),
        ({"decay": 1.0}, ValueError, "skip_spikes: decay: expected a number from 0, below 1"),
        ({"warmup": 1}, ValueError, "skip_spikes: warmup: expected a whole number from 2"),
        ({"patience": 0}, ValueError, "skip_spikes: patience: expected a whole number from 1"),
    )
