"""Binomial statistics against scipy and a simulated null of lost runs."""

import numpy as np
import pytest
from scipy import stats

from paramjax.bench.statistics import clopper_pearson, decide, sign_test_p


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (3, 3), (0, 6), (7, 1), (2, 11)])
def test_the_sign_test_is_binomial(wins, losses):
    expected = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert sign_test_p(wins, losses) == pytest.approx(expected)


def test_counts_are_checked():
    with pytest.raises(ValueError, match="expected counts, got -1"):
        sign_test_p(-1, 3)


@pytest.mark.parametrize(("count", "total"), [(0, 40), (2, 40), (40, 40), (130, 4000)])
def test_clopper_and_pearson_are_those_of_scipy(count, total):
    expected = stats.binomtest(count, total).proportion_ci(0.9, method="exact")
    assert clopper_pearson(count, total, 0.9) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("count", "total"), [(-1, 3), (4, 3), (0, 0)])
def test_shares_that_are_none_are_refused(count, total):
    with pytest.raises(ValueError, match="0 <= count <= total"):
        clopper_pearson(count, total)


def all_lost(lost_runs):
    """P-value of six lost pairs of six, this many of them, at least one, by a lost run."""
    scores = np.zeros(6)
    scores[:lost_runs] = np.nan
    return decide(scores, np.ones(6), margin=0.0, maximise=True).p_value


def test_losing_every_run_holds_at_every_chance_of_a_loss():
    """The bound 2 * 4^-K against the exact chance q^K (1 - q)^K, twice, over q."""
    q = np.linspace(0, 1, 1001)
    assert all_lost(6) == pytest.approx(2 * ((q * (1 - q)) ** 6).max())
    assert all_lost(1) == pytest.approx(2 * 63 / 64**2)


def test_lost_pairs_hold_under_a_simulated_null():
    """Both sides lose runs with one chance, else independent scores: P(p <= a) is at most a."""
    rng = np.random.default_rng(2)
    levels = sorted({all_lost(j) for j in range(1, 7)})
    for q in (0.3, 0.5, 0.7):
        lost = rng.random((2, 200_000, 6)) < q
        mine = np.where(lost[0] | lost[1], lost[0] & ~lost[1], rng.random((200_000, 6)) < 0.5)
        every = mine.all(-1) & ~(lost[0] & lost[1]).any(-1)
        by_loss = (lost[0] & ~lost[1]).sum(-1)
        values = np.array([1.0] + [all_lost(j) for j in range(1, 7)])[by_loss]
        for level in levels:
            found = np.mean(every & (values <= level))  # one side, so half the level
            assert found <= level / 2 + 4 * np.sqrt(level / 2 / 200_000)
