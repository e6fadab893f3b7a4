"""Split conformal prediction: its law by simulation, its scores by definition."""

import pickle

import jax
import numpy as np
import pytest
from scipy import special, stats

import paramjax as pj
from paramjax.estimate import (
    absolute_score,
    adaptive_score,
    conformal_intervals,
    conformal_quantile,
    conformal_sets,
    coverage,
    coverage_law,
    least_ambiguous_score,
    normalised_score,
    quantile_score,
)


def calibrated_on(y, **options):
    return conformal_intervals(absolute_score(), np.zeros(len(y)), y, **options)


@pytest.mark.parametrize(
    ("rows", "level", "rank"),
    # in floating point 100 * 0.55 is above 55, and 50 * 0.58 below 29
    [(99, 0.55, 55), (49, 0.58, 29), (19, 0.95, 19), (20, 0.95, 20), (9, 0.9, 9), (10, 0.9, 10)],
)
def test_the_rank_is_the_smallest_whole_number_from_the_level_on(rows, level, rank):
    scores = np.random.default_rng(0).permutation(np.arange(1.0, rows + 1))
    assert conformal_quantile(scores, level) == rank
    assert coverage_law(rows, level).rank == rank


def test_too_few_rows_bound_nothing_and_that_is_said():
    calibrated = calibrated_on(np.arange(18.0))
    with pytest.warns(UserWarning, match="level 0.95 needs at least 19 calibration rows, got 18"):
        interval = calibrated.predict(np.zeros(2), level=0.95)
    assert interval.low.tolist() == [-np.inf] * 2
    assert interval.high.tolist() == [np.inf] * 2
    assert calibrated.law(0.95).interval() == (1.0, 1.0)
    assert calibrated.predict(np.zeros(1), level=0.9).high.tolist() == [17.0]
    assert repr(calibrated).startswith("ConformalIntervals: 18 calibration rows")
    assert repr(calibrated) in calibrated._repr_html_()
    copied = pickle.loads(pickle.dumps(calibrated))
    assert copied.predict(np.zeros(1), level=0.9).high.tolist() == [17.0]


def test_coverage_is_distributed_by_the_beta_law():
    """Of uniform values about 0 the coverage of [-q, q] is q itself."""
    rng = np.random.default_rng(1)
    covered = [
        calibrated_on(rng.uniform(-1, 1, 39)).predict(np.zeros(1), level=0.8).high[0]
        for _ in range(2000)
    ]
    law = coverage_law(39, 0.8)
    assert stats.kstest(covered, stats.beta(32, 8).cdf).pvalue > 0.01
    assert law.mean == 0.8
    assert law.std == pytest.approx(stats.beta(32, 8).std(), rel=1e-12)
    assert law.interval(0.9) == pytest.approx(stats.beta(32, 8).interval(0.9), rel=1e-9)
    among = stats.betabinom(200, 32, 8).interval(0.9)
    assert law.interval(0.9, test_rows=200) == pytest.approx(np.array(among) / 200, rel=1e-9)


def test_intervals_of_each_score_by_hand():
    y = np.array([1.0, -4.0, 2.0, 8.0])
    deviation = np.array([1.0, 2.0, 4.0, 2.0])  # scores 1, 2, 0.5, 4: rank 3 of 5 * 0.6 is 2
    scaled = conformal_intervals(normalised_score(), (np.zeros(4), deviation), y)
    np.testing.assert_allclose(scaled.scores, [1, 2, 0.5, 4])
    interval = scaled.predict((np.array([10.0]), np.array([3.0])), level=0.6)
    np.testing.assert_allclose(interval, [[4.0], [16.0]])
    ends = (np.array([0.0, -3.0, 0.0, 0.0]), np.array([3.0, 0.0, 4.0, 5.0]))
    between = conformal_intervals(quantile_score(), ends, y)
    np.testing.assert_allclose(between.scores, [-1, 1, -2, 3])
    np.testing.assert_allclose(
        between.predict((np.array([0.0]), np.array([9.0])), level=0.4), [[1.0], [8.0]]
    )


def test_groups_and_labels_have_quantiles_of_their_own():
    rng = np.random.default_rng(2)
    y, groups = rng.exponential(size=60), np.array(["a", "b", "b"] * 20)
    interval = calibrated_on(y, groups=groups).predict(
        np.zeros(2), level=0.7, groups=np.array(["b", "a"])
    )
    own = [conformal_quantile(y[groups == name], 0.7) for name in ("b", "a")]
    np.testing.assert_allclose(interval.high, own)
    labels, chances = rng.integers(0, 3, 60), rng.dirichlet(np.ones(3), 60)
    sets = conformal_sets(least_ambiguous_score(), chances, labels, by_label=True)
    limits = [conformal_quantile(1 - chances[labels == k, k], 0.7) for k in range(3)]
    further = rng.dirichlet(np.ones(3), 20)
    np.testing.assert_array_equal(sets.predict(further, level=0.7), 1 - further <= limits)
    few = conformal_sets(least_ambiguous_score(), chances, labels % 2, by_label=True)
    with pytest.warns(UserWarning, match="at least 3 calibration rows of label 2, got 0"):
        assert few.predict(further, level=0.7)[:, 2].all()


def test_weights_move_calibration_to_another_distribution():
    y = np.array([1.0, 3.0, 2.0])
    calibrated = calibrated_on(y, weights=np.array([1.0, 2.0, 1.0]))
    # of total weight 4 + own half is reached at 2, at 3, and not among the known ones
    high = calibrated.predict(np.zeros(2), level=0.5, weights=np.array([0.0, 4.0])).high
    assert high.tolist() == [2.0, 3.0]
    with pytest.warns(UserWarning, match="needs more calibration rows or of more weight, got 3"):
        far = calibrated.predict(np.zeros(1), level=0.5, weights=np.array([5.0])).high
    assert far.tolist() == [np.inf]
    many = np.random.default_rng(3).exponential(size=99)
    for level in (0.1, 0.55, 0.58, 0.9):
        plain = calibrated_on(many).predict(np.zeros(1), level)
        equal = calibrated_on(many, weights=np.full(99, 0.3)).predict(
            np.zeros(1), level, weights=np.full(1, 0.3)
        )
        assert equal.high == plain.high


def test_weighted_intervals_cover_where_inputs_have_moved():
    """The spread grows with x, and further rows have the density 2x instead of 1."""
    rng, shares = np.random.default_rng(6), []
    for _ in range(200):
        x, further = rng.random(60), np.sqrt(rng.random(100))
        y, truth = x * rng.exponential(size=60), further * rng.exponential(size=100)
        plain = calibrated_on(y).predict(np.zeros(100), level=0.8)
        moved = calibrated_on(y, weights=x).predict(np.zeros(100), level=0.8, weights=further)
        shares.append([coverage(own, truth).share for own in (plain, moved)])
    plain, moved = np.mean(shares, axis=0)
    assert plain < 0.74
    assert 0.79 < moved < 0.83


def by_definition(p, u, penalty, free):
    """Romano, Sesia and Candes (2020, equations 3 to 6), label by label."""
    scores = np.empty_like(p)
    for row in range(len(p)):
        for label in range(p.shape[1]):
            before = p[row] > p[row, label]
            rank = before.sum() + 1
            scores[row, label] = p[row][before].sum() + u[row] * p[row, label]
            scores[row, label] += penalty * max(rank - free, 0)
    return scores


def test_adaptive_scores_follow_their_definition_and_cover_exactly():
    rng = np.random.default_rng(4)
    p, u = rng.dirichlet(np.ones(5), 30), rng.random(30)
    for own, at in (
        (adaptive_score(), u),
        (adaptive_score(randomised=False), np.ones(30)),
        (adaptive_score(penalty=0.1, free=2), u),
    ):
        found = own.score(p, u[:, None] if own.randomised else None)
        penalty = (0.1, 2) if np.abs(found).max() > 1 + 1e-9 else (0.0, 0)
        np.testing.assert_allclose(found, by_definition(p, at, *penalty), atol=1e-12)
    # probabilities that are right: the randomised score is uniform, so sets cover 80 % exactly
    p = rng.dirichlet(np.full(5, 0.3), 6000)
    labels = (p.cumsum(axis=1) > rng.random((6000, 1))).argmax(axis=1)
    keys = jax.random.split(jax.random.key(0))
    sets = conformal_sets(adaptive_score(), p[:3000], labels[:3000], key=keys[0])
    assert conformal_quantile(sets.scores, 0.8) == pytest.approx(0.8, abs=0.03)
    predicted = sets.predict(p[3000:], level=0.8, key=keys[1])
    low, high = sets.law(0.8).interval(0.999, test_rows=3000)
    assert low < coverage(predicted, labels[3000:]).share < high
    np.testing.assert_array_equal(predicted, sets.predict(p[3000:], level=0.8, key=keys[1]))


def test_coverage_comes_with_the_interval_of_clopper_and_pearson():
    rng = np.random.default_rng(5)
    low = rng.normal(size=50)
    high, truth = low + rng.exponential(size=50), rng.normal(size=50)
    found = coverage((low, high), truth, level=0.9)
    hits = int(((low <= truth) & (truth <= high)).sum())
    exact = stats.binomtest(hits, 50).proportion_ci(0.9, method="exact")
    assert (found.share, found.rows) == (hits / 50, 50)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), rel=1e-9)
    mean = stats.ttest_1samp(high - low, 0).confidence_interval(0.9)
    assert (found.size_low, found.size_high) == pytest.approx((mean.low, mean.high), rel=1e-9)
    assert f"{hits / 50:.1%} of 50 rows covered" in str(found)
    none = coverage((np.zeros(3), np.full(3, np.inf)), -np.ones(3))
    assert (none.share, none.low, none.size) == (0.0, 0.0, np.inf)


P = np.array([[0.5, 0.5], [0.25, 0.75]])
Y = np.arange(3.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conformal_quantile([], 0.9), r"scores: expected numbers \[rows\], at least one"),
        (lambda: conformal_quantile([1.0], 1.0), r"level: expected a number in \(0, 1\)"),
        (lambda: calibrated_on(Y[:, None]), r"y: expected \[rows\], at least one"),
        (lambda: calibrated_on(np.array([1.0, np.nan])), r"y: .* got nan at index \[1\]"),
        (
            lambda: conformal_intervals(absolute_score(), np.zeros((3, 1)), Y),
            r"prediction: mean: expected shape \(3,\), got \(3, 1\)",
        ),
        (
            lambda: conformal_intervals(normalised_score(), Y, Y),
            "prediction: expected a pair of mean and deviation",
        ),
        (
            lambda: conformal_intervals(normalised_score(), (Y, Y), Y),
            "deviation: expected positive numbers, got one that is not in row 0",
        ),
        (
            lambda: calibrated_on(Y).predict(Y[:, None]),
            r"prediction: expected \[rows\], at least one, got shape \(3, 1\)",
        ),
        (
            lambda: calibrated_on(Y, groups=[0, 0, 1]).predict(Y, groups=[0, 0, 2]),
            "no calibration row is in group 2",
        ),
        (
            lambda: calibrated_on(Y, groups=[0, 0, 1]).predict(Y),
            "groups: expected the groups of these rows",
        ),
        (lambda: calibrated_on(Y).predict(Y, weights=Y), "weights: expected none"),
        (lambda: calibrated_on(Y, weights=-Y), "weights: expected numbers from 0"),
        (lambda: calibrated_on(Y, groups=[0, 0, 1]).law(0.9), "law: expected rows without groups"),
        (
            lambda: conformal_sets(least_ambiguous_score(), 2 * P, [0, 1]),
            r"add up to 1, got \[1.0, 1.0\] in row 0; of logits take",
        ),
        (
            lambda: conformal_sets(least_ambiguous_score(), P, [0, 2]),
            "labels: expected numbers from 0 to 1, got 2 in row 1",
        ),
        (
            lambda: conformal_sets(adaptive_score(), P, [0, 1]),
            "key: expected a typed key .* this score is randomised",
        ),
        (
            lambda: conformal_sets(
                least_ambiguous_score(), P, [0, 1], by_label=True, groups=[0, 1]
            ),
            "groups: expected none with by_label",
        ),
        (lambda: coverage((Y, Y), Y[:2]), "ends and truth"),
        (lambda: coverage((Y, Y * np.nan), Y), "got NaN in row 0"),
        (lambda: adaptive_score(penalty=-1.0), "penalty"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_kinds_are_refused():
    with pytest.raises(TypeError, match="labels: expected whole numbers"):
        pj.estimate.conformal_sets(least_ambiguous_score(), P, [0.0, 1.0])
    with pytest.raises(TypeError, match=r"score: expected an IntervalScore such as absolute_score"):
        conformal_intervals(absolute_score, Y, Y)
    with pytest.raises(TypeError, match=r"predicted: expected a pair \(low, high\)"):
        coverage(P, [0, 1])


def test_probabilities_of_bfloat16_add_up_to_one_in_their_precision():
    logits = 3 * np.random.default_rng(0).normal(size=(50, 10))
    chances = special.softmax(logits, axis=1).astype("bfloat16")
    assert np.abs(np.asarray(chances, float).sum(axis=1) - 1).max() > 1e-3
    sets = conformal_sets(least_ambiguous_score(), chances, np.zeros(50, int))
    assert sets.predict(chances, level=0.9)[:, 0].mean() >= 0.9
