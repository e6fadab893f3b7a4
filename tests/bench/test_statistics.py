import numpy as np
import pytest
from scipy import stats

from paramjax.bench import decide, paired_interval

ROUNDS = 600


def coverage(draw, truth, n, monkeypatch):
    monkeypatch.setattr("paramjax.bench._statistics.RESAMPLES", 1000)
    rng = np.random.default_rng(1)
    covered = 0
    for round_ in range(ROUNDS):
        low, high = paired_interval(draw(rng, n), seed=round_)
        covered += low <= truth <= high
    return covered / ROUNDS


# three standard errors of a share of 0.95 over the rounds
SLACK = 3 * np.sqrt(0.95 * 0.05 / ROUNDS)


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30])
def test_covers_a_normal_mean(n, monkeypatch):
    share = coverage(lambda rng, n: rng.normal(0.3, 2.0, n), 0.3, n, monkeypatch)
    assert 0.95 - SLACK < share < 0.95 + 2 * SLACK


@pytest.mark.parametrize(
    ("draw", "truth", "least"),
    [
        (lambda rng, n: rng.uniform(-1, 1, n), 0.0, 0.93),
        (lambda rng, n: rng.standard_t(4, n), 0.0, 0.93),
        # differences of accuracies: steps of 1/360, with many ties
        (lambda rng, n: rng.binomial(8, 0.5, n) / 360, 4 / 360, 0.93),
        # a skewed one, where ten pairs are few for any interval for the mean: Student's
        # own covers 0.90 here
        (lambda rng, n: rng.exponential(1.0, n), 1.0, 0.88),
    ],
)
def test_covers_means_that_are_not_normal(draw, truth, least, monkeypatch):
    assert coverage(draw, truth, 10, monkeypatch) > least


def test_false_verdicts_stay_below_alpha(monkeypatch):
    monkeypatch.setattr("paramjax.bench._statistics.RESAMPLES", 1000)
    rng = np.random.default_rng(2)
    words = [
        decide(paired_interval(rng.normal(0, 1, 10), seed=i), maximise=True) for i in range(ROUNDS)
    ]
    assert words.count("undecided") / ROUNDS > 0.95 - SLACK
    # both errors are about as frequent
    assert abs(words.count("better") - words.count("worse")) < 3 * np.sqrt(0.05 * ROUNDS)


def test_is_students_interval_or_wider():
    values = np.random.default_rng(0).normal(size=10)
    low, high = paired_interval(values)
    t_low, t_high = stats.t.interval(0.95, 9, values.mean(), stats.sem(values))
    assert low <= t_low
    assert high >= t_high
    assert high - low < 1.1 * (t_high - t_low)


def test_agrees_with_scipys_bootstrap_for_many_pairs():
    values = np.random.default_rng(0).exponential(size=300)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", rng=1).confidence_interval
    # 2 % of the mean: the expansion and Student's factor are 0.4 % at 300 pairs, the rest
    # is resampling
    np.testing.assert_allclose(paired_interval(values), theirs, rtol=0.02)


def test_equal_differences_are_a_point():
    assert paired_interval([0.25] * 10) == (0.25, 0.25)
    assert decide(paired_interval([0.0] * 10), maximise=True) == "undecided"


@pytest.mark.parametrize("values", [[1.0], [], [1.0, np.nan], [1.0, np.inf]])
def test_too_few_or_lost_values_are_refused(values):
    with pytest.raises(ValueError, match="two or more finite numbers"):
        paired_interval(values)


@pytest.mark.parametrize(
    ("interval", "higher", "word"),
    [
        ((0.1, 0.2), True, "better"),
        ((0.1, 0.2), False, "worse"),
        ((-0.2, -0.1), True, "worse"),
        ((-0.2, -0.1), False, "better"),
        ((-0.1, 0.1), True, "undecided"),
        ((0.0, 0.1), False, "undecided"),
    ],
)
def test_three_words(interval, higher, word):
    assert decide(interval, maximise=higher) == word
