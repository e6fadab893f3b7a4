"""Numbers of trials and seeds, and keys."""

from __future__ import annotations

import jax
import pytest

from paramjax.bench import Protocol


def test_replicates_share_no_trial_and_no_seed():
    protocol = Protocol(replicates=3, trials=4, tuning_seeds=2, report_seeds=3)
    trials = [t for k in range(3) for t in protocol.trial_numbers(k)]
    tuning = [s for k in range(3) for s in protocol.tuning_seed_numbers(k)]
    report = [s for k in range(3) for s in protocol.report_seed_numbers(k)]
    assert trials == list(range(12))
    assert sorted([*tuning, *report]) == list(range(15))
    assert not {*tuning} & {*report}
    assert protocol.trainings == 4 * 2 + 3


def test_a_small_key_is_that_of_jax():
    expected = jax.random.fold_in(jax.random.key(7), 1)
    assert (
        jax.random.key_data(Protocol(key=7).keyed("trials")) == jax.random.key_data(expected)
    ).all()
    large = Protocol(key=2**32 + 7).keyed("trials")
    assert (jax.random.key_data(large) != jax.random.key_data(expected)).any()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"replicates": 0}, "replicates: expected a whole number from 1"),
        ({"trials": 0}, "trials: expected"),
        ({"report_seeds": 0}, "report_seeds: expected"),
        ({"key": -1}, "key: expected a whole number from 0"),
        ({"key": 2**64}, "key: expected a whole number from 0"),
        ({"clip_norm": 0.0}, "clip_norm"),
    ],
)
def test_numbers_out_of_range_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Protocol(**given)


def test_counts_must_be_whole():
    with pytest.raises(TypeError, match="trials: expected a whole number"):
        Protocol(trials=2.5)
    with pytest.raises(TypeError, match="key: expected a whole number"):
        Protocol(key=0.5)
