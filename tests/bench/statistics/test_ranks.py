"""Rank intervals: clear orders, coverage under nulls, and lost runs."""

import numpy as np
import pytest

from paramjax.bench.statistics import clopper_pearson, decide, rank_intervals


def named(scores):
    return {f"o{i}": row for i, row in enumerate(scores)}


def test_a_clear_order_has_ranks_of_its_own():
    rng = np.random.default_rng(0)
    scores = np.arange(4)[:, None] * 100 + rng.normal(size=(4, 8))
    assert rank_intervals(named(scores), maximise=True) == {
        "o3": (1, 1),
        "o2": (2, 2),
        "o1": (3, 3),
        "o0": (4, 4),
    }
    assert rank_intervals(named(scores), maximise=False)["o0"] == (1, 1)


@pytest.mark.parametrize("spread", [1.0, np.array([[10], [3], [1], [0.1], [0.01], [1]])])
def test_all_intervals_hold_at_once(spread):
    """Six equal optimizers, also with unequal spreads: all six ranks stay possible, in 95 %."""
    rng = np.random.default_rng(1)
    everything = dict.fromkeys((f"o{i}" for i in range(6)), (1, 6))
    wrong = sum(
        rank_intervals(named(spread * rng.normal(size=(6, 6))), maximise=True) != everything
        for _ in range(500)
    )
    assert clopper_pearson(wrong, 500, 0.99)[0] < 0.05


def test_two_optimizers_are_ordered_as_decide_says():
    """The largest of one |t| is |t|: its simulated bound is near Student's 2.571 at K = 6."""
    rng = np.random.default_rng(3)
    order = {"better": (1, 1), "worse": (2, 2), "undecided": (1, 2)}
    agreed = 0
    for _ in range(200):
        mine, other = rng.normal(rng.choice([-1.5, 0, 1.5]), 1, 6), rng.normal(size=6)
        word = decide(mine, other, margin=0.0, maximise=True).word
        agreed += rank_intervals({"a": mine, "b": other}, maximise=True)["a"] == order[word]
    assert agreed >= 197  # a |t| between the two bounds


def test_who_loses_every_run_is_last():
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(4, 6))
    scores[1] = np.nan
    found = rank_intervals(named(scores), maximise=True)
    assert found["o1"] == (4, 4)
    assert found["o0"] == (1, 3)


def test_who_lost_a_run_is_not_ahead():
    scores = np.stack([np.arange(12.0) % 3, 100 + np.arange(12.0) % 4])
    scores[1, 0] = np.nan
    assert rank_intervals(named(scores), maximise=True) == {"o0": (1, 2), "o1": (1, 2)}
    scores[0, 1] = np.nan
    assert rank_intervals(named(scores), maximise=True)["o1"] == (1, 1)


def test_few_replicates_leave_every_rank_open():
    assert rank_intervals({"a": [1.0], "b": [0.0]}, maximise=True) == {"a": (1, 2), "b": (1, 2)}
    assert rank_intervals({"a": [1.0, 2.0]}, maximise=True) == {"a": (1, 1)}


@pytest.mark.parametrize("scores", [{}, {"a": [1.0, 2.0], "b": [1.0]}, {"a": [[1.0, 2.0]]}])
def test_scores_of_other_shapes_are_refused(scores):
    with pytest.raises(ValueError, match="scores of one length for every optimizer"):
        rank_intervals(scores, maximise=True)


def test_the_level_is_checked():
    with pytest.raises(ValueError, match="level in"):
        rank_intervals({"a": [1.0, 2.0]}, maximise=True, level=0.1)
