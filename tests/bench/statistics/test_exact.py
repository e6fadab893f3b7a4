"""Exact tests against enumeration, scipy and a simulated null."""

import itertools

import numpy as np
import pytest
from scipy import stats

from paramjax.bench.statistics import decide, sign_flip_p, sign_test_p


@pytest.mark.parametrize("count", [1, 2, 5, 6, 9])
def test_sign_flips_are_those_of_an_enumeration(count):
    x = np.random.default_rng(count).normal(0.4, 1, count).round(1)  # rounded: sums tie
    sums = [abs(np.dot(signs, x)) for signs in itertools.product([-1, 1], repeat=count)]
    assert sign_flip_p(x) == np.mean(np.array(sums) >= abs(x.sum()) - 1e-9)


def test_sign_flips_are_those_of_scipy():
    x = np.random.default_rng(0).normal(0.5, 1, 11)
    exact = stats.permutation_test(
        (x,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    assert sign_flip_p(x) == pytest.approx(exact.pvalue)


def test_drawn_sign_patterns_come_near_the_normal_limit():
    x = np.random.default_rng(1).normal(0.3, 1, 60)
    limit = 2 * stats.norm.sf(abs(x.sum()) / np.sqrt((x**2).sum()))
    assert sign_flip_p(x) == pytest.approx(limit, abs=0.005)
    assert sign_flip_p(x) == sign_flip_p(x)
    assert sign_flip_p(np.ones(60)) == pytest.approx(1 / 20_001)


def test_sums_of_zero_show_nothing():
    assert sign_flip_p(np.zeros(6)) == 1
    assert sign_flip_p([1.0, -1.0]) == 1


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (3, 3), (0, 6), (7, 1), (2, 11)])
def test_the_sign_test_is_binomial(wins, losses):
    expected = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert sign_test_p(wins, losses) == pytest.approx(expected)


def test_counts_and_values_are_checked():
    with pytest.raises(ValueError, match="expected counts, got -1"):
        sign_test_p(-1, 3)
    with pytest.raises(ValueError, match="drop the NaN"):
        sign_flip_p([1.0, np.nan])


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
