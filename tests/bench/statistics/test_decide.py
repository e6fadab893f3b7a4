"""Verdicts against scipy, closed forms and what bad input gets."""

import math

import numpy as np
import pytest
from scipy import stats

from paramjax.bench.statistics import adjust, decide

BASE = np.array([0.91, 0.90, 0.92, 0.89, 0.91, 0.90])
NAN = math.nan


def noisy(seed, mean=0.0, replicates=8):
    """Scores whose differences from `BASE`-like ones have this mean and a spread of one."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=replicates)
    return base + mean + rng.normal(size=replicates), base


def test_interval_and_p_values_are_students():
    scores, base = noisy(0, 1.2)
    found = decide(scores, base, margin=0.2, maximise=True)
    differences = scores - base
    test = stats.ttest_rel(scores, base)
    assert found.interval == pytest.approx(test.confidence_interval(0.95))
    assert found.equivalence_interval == pytest.approx(test.confidence_interval(0.9))
    beyond = [
        stats.ttest_1samp(differences, 0.2, alternative="greater").pvalue,
        stats.ttest_1samp(differences, -0.2, alternative="less").pvalue,
    ]
    within = [
        stats.ttest_1samp(differences, -0.2, alternative="greater").pvalue,
        stats.ttest_1samp(differences, 0.2, alternative="less").pvalue,
    ]
    assert found.p_value == pytest.approx(2 * min(beyond))
    assert found.p_equivalent == pytest.approx(max(within))


def test_splits_widen_the_interval_by_nadeau_and_bengio():
    scores, base = noisy(1)
    fixed = decide(scores, base, margin=0.0, maximise=True)
    varied = decide(scores, base, margin=0.0, maximise=True, variance_ratio=0.25)
    width, wider = np.diff(fixed.interval)[0], np.diff(varied.interval)[0]
    assert wider / width == pytest.approx(math.sqrt((1 / 8 + 0.25) * 8))
    assert varied.fixed_interval == pytest.approx(fixed.interval)
    assert varied.factor == pytest.approx(1 / 8 + 0.25)


@pytest.mark.parametrize("maximise", [True, False])
def test_the_direction_follows_the_metric(maximise):
    ahead = decide(
        BASE + np.array([0.1, 0.2, 0.1, 0.15, 0.2, 0.1]), BASE, margin=0.01, maximise=maximise
    )
    assert ahead.word == ("better" if maximise else "worse")
    assert (ahead.wins, ahead.losses) == ((6, 0) if maximise else (0, 6))
    assert ahead.difference > 0
    assert ahead.interval[0] > 0.01


def test_exchange_of_the_sides_exchanges_the_words():
    for seed in range(30):
        scores, base = noisy(seed, 1.0)
        one = decide(scores, base, margin=0.1, maximise=True)
        other = decide(base, scores, margin=0.1, maximise=True)
        assert {one.word, other.word} in ({"better", "worse"}, {"undecided"}, {"equivalent"})
        assert one.p_value == pytest.approx(other.p_value)
        assert one.p_sign_flip == other.p_sign_flip


def test_words_agree_with_their_intervals():
    for seed in range(60):
        scores, base = noisy(seed, seed % 3, replicates=7)
        found = decide(scores, base, margin=0.5, maximise=True)
        low, high = found.interval
        inner_low, inner_high = found.equivalence_interval
        if found.word == "better":
            assert low >= 0.5
        if found.word == "worse":
            assert high <= -0.5
        assert (found.word == "equivalent") == (inner_low > -0.5 and inner_high < 0.5)


def test_fewer_than_six_replicates_are_never_better():
    scores = BASE[:5] + np.array([0.1, 0.101, 0.102, 0.1, 0.1])
    found = decide(scores, BASE[:5], margin=0.0, maximise=True)
    assert found.word == "undecided"
    assert found.p_value < 1e-6
    assert found.p_sign_flip == 0.0625
    assert found.needed == 6
    assert "cannot go below 6.25 %" in found.reason


def test_one_replicate_has_no_verdict():
    found = decide([0.9], [0.1], margin=0.0, maximise=True)
    assert found.word == "undecided"
    assert "one replicate cannot show" in found.reason
    assert math.isnan(found.interval[0])
    assert found.difference == pytest.approx(0.8)


def test_constant_scores_give_no_nan():
    flat = np.full(6, 0.5)
    same = decide(flat, flat, margin=0.0, maximise=True)
    assert (same.word, same.p_value, same.p_equivalent) == ("equivalent", 1.0, 0.0)
    within = decide(flat + 0.01, flat, margin=0.02, maximise=True)
    assert within.word == "equivalent"
    assert within.interval == pytest.approx((0.01, 0.01))
    at_the_margin = decide(flat + 0.25, flat, margin=0.25, maximise=True)
    assert (at_the_margin.word, at_the_margin.needed) == ("undecided", None)
    beyond = decide(flat + 0.2, flat, margin=0.01, maximise=False)
    assert (beyond.word, beyond.p_value, beyond.p_sign_flip) == ("worse", 0.0, 0.03125)


def test_the_guard_overrules_student():
    """One pair goes the other way by a hair: Student sees a difference, the signs do not."""
    scores = BASE + np.array([0.05, 0.04, 0.06, 0.05, 0.04, -0.011])
    found = decide(scores, BASE, margin=0.0, maximise=True)
    assert found.p_value < 0.05
    assert found.p_sign_flip == pytest.approx(4 / 64)
    assert found.word == "undecided"
    assert "sign-flip test disagrees" in found.reason


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_worse_on_all_stays_worse_if_some_runs_are_lost(lost):
    scores = BASE - 0.2
    scores[:lost] = NAN
    found = decide(scores, BASE, margin=0.005, maximise=True)
    assert (found.word, found.method, found.lost) == ("worse", "sign test", lost)
    assert found.probability == 0
    assert found.difference == pytest.approx(-0.2)


def test_who_lost_more_is_never_better():
    scores, base = np.arange(20.0) + 5, np.arange(20.0)
    scores[3] = NAN
    found = decide(scores, base, margin=0.0, maximise=True)
    assert (found.wins, found.losses) == (19, 1)
    assert found.p_value < 1e-4
    assert found.word == "undecided"
    assert "cannot be better" in found.reason
    assert found.needed is None
    base[4] = NAN
    assert decide(scores, base, margin=0.0, maximise=True).word == "better"


def test_lost_runs_by_hand():
    """Five of six pairs won is p = 2 (1 + 6) / 64; pairs within the margin count against."""
    scores = np.array([1.0, 1.0, 1.0, 1.0, 1.0, NAN])
    base = np.array([NAN, 0.0, 0.0, 0.0, 0.0, 0.0])
    found = decide(scores, base, margin=0.5, maximise=True)
    assert (found.wins, found.losses) == (5, 1)
    assert found.p_value == pytest.approx(14 / 64)
    scores[4] = 0.2
    found = decide(scores, base, margin=0.5, maximise=True)
    assert (found.wins, found.losses, found.ties) == (4, 1, 1)
    assert found.probability == 4.5 / 6
    assert found.p_value == pytest.approx(2 * stats.binom.sf(3, 6, 0.5))


def test_unequal_losses_are_never_equivalent():
    scores, base = np.full(8, 0.5), np.full(8, 0.5)
    base[0] = NAN
    assert decide(scores, base, margin=0.1, maximise=True).word == "undecided"
    scores[0] = NAN
    both = decide(scores, base, margin=0.1, maximise=True)
    assert (both.word, both.lost_both, both.ties) == ("equivalent", 1, 8)


def test_all_lost_on_both_sides_says_nothing():
    lost = np.full(6, NAN)
    found = decide(lost, lost, margin=0.1, maximise=True)
    assert (found.word, found.p_value, found.probability) == ("undecided", 1.0, 0.5)
    assert math.isnan(found.difference)


def test_an_infinite_score_is_a_lost_run():
    scores = BASE.copy()
    scores[0] = math.inf
    assert decide(scores, BASE, margin=0.1, maximise=True).lost == 1


@pytest.mark.parametrize(
    ("scores", "base", "options", "match"),
    [
        ([], [], {}, "at least one"),
        ([[1.0]], [[1.0]], {}, r"shape \[replicates\]"),
        ([1.0, 2.0], [1.0], {}, "as many scores as baseline_scores, got 2 and 1"),
        ([1.0, 2.0], [1.0, 1.0], {"margin": -0.1}, "margin of 0 or more, got -0.1"),
        ([1.0, 2.0], [1.0, 1.0], {"margin": NAN}, "margin of 0 or more, got nan"),
        ([1.0, 2.0], [1.0, 1.0], {"margin": math.inf}, "finite margin"),
        ([1.0, 2.0], [1.0, 1.0], {"variance_ratio": -1.0}, "variance_ratio of 0 or more"),
        ([1.0, 2.0], [1.0, 1.0], {"level": 95}, r"level in \(0.5, 1\), got 95"),
    ],
)
def test_bad_input_is_refused(scores, base, options, match):
    with pytest.raises(ValueError, match=match):
        decide(scores, base, **{"margin": 0.0, "maximise": True, **options})


def test_false_verdicts_of_a_normal_null():
    rng = np.random.default_rng(3)
    words = [decide(*rng.normal(size=(2, 6)), margin=0.0, maximise=True).word for _ in range(1000)]
    wrong = sum(word != "undecided" for word in words)
    assert stats.binomtest(wrong, 1000).proportion_ci(0.999).low < 0.05
    assert wrong > 10  # the guard does not stop every verdict: 3 % of nulls have one sign


def test_eight_copies_win_as_often_as_chance_allows():
    """The same baseline for all, noise of their own: any `better` in 400 families."""
    rng = np.random.default_rng(4)
    alone = corrected = 0
    for _ in range(400):
        base = rng.normal(size=6)
        family = [decide(rng.normal(size=6), base, margin=0.0, maximise=True) for _ in range(8)]
        alone += any(decision.word == "better" for decision in family)
        corrected += any(decision.word == "better" for decision in adjust(family))
    assert stats.binomtest(corrected, 400).proportion_ci(0.99).low < 0.05
    assert corrected < alone


def test_what_holds_on_these_rows_may_not_hold_on_others_like_them():
    rng = np.random.default_rng(2)
    scores = 0.03 + 0.02 * rng.standard_normal(8)
    found = decide(scores, np.zeros(8), margin=0.005, maximise=True, variance_ratio=0.25)
    half = stats.t.ppf(0.975, 7) * scores.std(ddof=1) / np.sqrt(8)
    assert found.fixed_interval == pytest.approx((scores.mean() - half, scores.mean() + half))
    assert found.fixed_interval[0] > 0.005
    assert (found.word, found.on_these_rows) == ("undecided", "better")
    assert "on these very rows it is better" in found.reason
    same = decide(scores, np.zeros(8), margin=0.005, maximise=True)
    assert (same.word, same.on_these_rows) == ("better", "better")


def test_a_verdict_about_these_rows_keeps_the_interval_about_others_beside_it():
    scores, zeros = np.array([0.01, 0.06, 0.03, 0.05, 0.01, 0.02]), np.zeros(6)
    same = {"margin": 0.005, "maximise": True, "variance_ratio": 0.25}
    wide, narrow = decide(scores, zeros, **same), decide(scores, zeros, **same, these_rows=True)
    assert (wide.word, narrow.word) == ("undecided", "better")
    assert wide.interval == wide.varied_interval == narrow.varied_interval
    assert narrow.interval == narrow.fixed_interval == wide.fixed_interval
    ratio = np.diff(wide.interval) / np.diff(narrow.interval)
    assert ratio == pytest.approx(np.sqrt((1 / 6 + 0.25) / (1 / 6)))
