"""Replicates needed, against the power of a simulation and of scipy's noncentral t."""

import numpy as np
import pytest
from scipy import stats

from paramjax.bench.statistics import decide, replicates_needed

FIXED = {"margin": 0.0, "variance_ratio": 0.0, "level": 0.95}


@pytest.mark.parametrize(("effect", "cohen"), [(0.5, 34), (0.8, 15), (1.0, 10)])
def test_the_numbers_of_cohen(effect, cohen):
    """Paired t, two-sided 5 %, power 80 %: G*Power gives 34, 15 and 10 pairs."""
    assert replicates_needed(effect, 1.0, **FIXED) == cohen
    power = stats.nct.sf(stats.t.ppf(0.975, cohen - 1), cohen - 1, effect * np.sqrt(cohen))
    assert power >= 0.8


def test_equivalence_has_the_power_that_is_said():
    count = replicates_needed(0.1, 1.0, margin=0.8, variance_ratio=0.0, level=0.95)
    rng = np.random.default_rng(0)
    words = [
        decide(rng.normal(0.1, 1, count), np.zeros(count), margin=0.8, maximise=True).word
        for _ in range(600)
    ]
    assert np.mean(np.array(words) == "equivalent") == pytest.approx(0.8, abs=0.06)


def test_splits_set_a_floor():
    assert replicates_needed(0.5, 1.0, margin=0.0, variance_ratio=0.25, level=0.95) is None
    many = replicates_needed(1.6, 1.0, margin=0.0, variance_ratio=0.25, level=0.95)
    assert many > replicates_needed(1.6, 1.0, **FIXED)


def test_never_fewer_than_six_for_a_direction():
    assert replicates_needed(100.0, 1.0, **FIXED) == 6
    assert replicates_needed(1.0, 0.0, **FIXED) == 6
    assert replicates_needed(float("nan"), float("nan"), **FIXED) is None


def test_the_reason_says_it():
    rng = np.random.default_rng(5)
    scores = rng.normal(0.4, 1, 6)
    found = decide(scores, np.zeros(6), margin=0.0, maximise=True)
    assert found.word == "undecided"
    assert f"about {found.needed} replicates would probably decide it" in found.reason
    floor = decide(scores, np.zeros(6), margin=0.0, maximise=True, variance_ratio=1.0)
    assert floor.needed is None
    assert "splits of the rows differ too much" in floor.reason


def test_lost_runs_are_counted_by_the_sign_test():
    """Nine of ten pairs won needs few more; an even score needs more than there are."""
    scores, base = np.ones(10), np.zeros(10)
    base[0], scores[1] = np.nan, np.nan
    scores[2] = -1.0
    found = decide(scores, base, margin=0.0, maximise=True)
    assert found.word == "undecided"
    assert 10 < found.needed < 40
    scores[3:6] = -1.0
    assert decide(scores, base, margin=0.0, maximise=True).needed is None
