"""Underscore modules: a verdict shows only the trial that was chosen, not why."""

import math

from paramjax.bench._rows import Training
from paramjax.bench._selection import best_trial, diverged_trials, edges


def training(trial, seed, value, rate=0.1):
    status = "finished" if math.isfinite(value) else "diverged"
    return Training(trial, seed, {"learning_rate": rate}, status, None, value, {})


def test_a_lost_seed_loses_to_any_other_trial():
    values = {(0, 0): 5.0, (0, 1): 6.0, (1, 0): 0.1, (1, 1): math.nan, (2, 0): 7.0}
    rows = [training(*where, value) for where, value in values.items()]
    assert best_trial(rows, maximise=False).trial == 0
    assert best_trial(rows, maximise=True).trial == 2
    assert diverged_trials(rows) == 1


def test_when_all_is_lost_one_is_still_chosen():
    rows = [training(0, 0, math.nan), training(1, 0, math.nan)]
    assert best_trial(rows, maximise=True).trial == 0
    assert diverged_trials(rows) == 2


def test_edges_name_the_end():
    rows = [training(t, 0, 1.0, 0.1 * (t + 1)) for t in range(4)]
    span = lambda low, high, log: {
        "learning_rate": {"low": low, "high": high, "logarithmic": log},
        "chain": {"options": ["a"]},
    }
    assert edges(rows, 0, span(0.09, 0.41, False)) == ["learning_rate (low)"]
    assert edges(rows, 3, span(0.09, 0.41, False)) == ["learning_rate (high)"]
    assert edges(rows, 1, span(0.09, 0.41, False)) == []
    # nothing was tried beyond, yet the range goes on
    assert edges(rows, 3, span(0.0, 1.0, False)) == []
    # on a logarithmic scale 0.4 of 1e-5..1 is at the end
    assert edges(rows, 3, span(1e-5, 1.0, True)) == ["learning_rate (high)"]
    # `integer(1, 1)` is a range without width
    single = [training(t, 0, 1.0, 1) for t in range(2)]
    assert edges(single, 0, span(1, 1, False)) == []
