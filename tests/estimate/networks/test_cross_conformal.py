"""Cross conformal prediction by the formulas of its papers, row by row."""

import jax
import numpy as np
import pytest

from paramjax.estimate import (
    absolute_score,
    adaptive_score,
    conformal_intervals,
    coverage,
    cross_conformal_intervals,
    cross_conformal_sets,
    influence,
    least_ambiguous_score,
    linear,
    normalised_score,
    quantile_score,
)

SMALL = {
    "score": absolute_score(),
    "predictions": np.zeros((2, 4)),
    "y": np.ones(4),
    "folds": [0, 1, 0, 1],
}


def by_hand(y, means, folds, further, level):
    """Barber et al. (2021, equation 10) for one row: ends at ranks of sorted sums."""
    rows = len(y)
    residuals = [abs(y[i] - means[folds[i], i]) for i in range(rows)]
    low = sorted(further[folds[i]] - residuals[i] for i in range(rows))
    high = sorted(further[folds[i]] + residuals[i] for i in range(rows))
    rank = int(np.ceil((rows + 1) * level - 1e-9))
    return low[rows - rank], high[rank - 1]


@pytest.mark.parametrize(("rows", "folds"), [(12, 3), (11, 11)])
def test_intervals_are_those_of_cv_plus_and_jackknife_plus(rows, folds):
    rng = np.random.default_rng(rows)
    y, fold = rng.normal(size=rows), rng.permutation(np.arange(rows) % folds)
    means = np.array([np.full(rows, y[fold != k].mean()) for k in range(folds)])
    further = rng.normal(size=(folds, 4))
    calibrated = cross_conformal_intervals(absolute_score(), means, y, fold)
    interval = calibrated.predict(further, level=0.75)
    expected = [by_hand(y, means, fold, further[:, j], 0.75) for j in range(4)]
    np.testing.assert_allclose(np.stack(interval, axis=1), expected, rtol=1e-12)
    # of rows by which a model was trained, its predictions do not count
    means[fold[None, :] != np.arange(folds)[:, None]] = np.nan
    again = cross_conformal_intervals(absolute_score(), means, y, fold)
    np.testing.assert_array_equal(again.predict(further, level=0.75), interval)
    assert repr(again).startswith(f"CrossConformalIntervals: {rows} rows in {folds} folds")
    assert repr(again) in again._repr_html_()


def test_equal_models_give_split_conformal_intervals_for_every_score():
    rng = np.random.default_rng(1)
    y, first, width = rng.normal(size=30), rng.normal(size=30), rng.uniform(1, 2, 30)
    fold, twice = np.arange(30) % 2, lambda own: np.tile(own, (2, 1))
    pairs = {
        absolute_score: first,
        normalised_score: (first, width),
        quantile_score: (first - width, first + width),
    }
    for score, own in pairs.items():
        split = conformal_intervals(score(), own, y).predict(own, level=0.8)
        both = jax.tree.map(twice, own)
        cross = cross_conformal_intervals(score(), both, y, fold).predict(both, level=0.8)
        np.testing.assert_allclose(cross, split, rtol=1e-12)


def test_jackknife_plus_of_a_linear_regression_by_its_influence():
    rng = np.random.default_rng(4)
    x, further = rng.normal(size=(15, 2)), rng.normal(size=(3, 2))
    y, design = x @ [1.0, -2.0] + rng.normal(size=15), np.c_[np.ones(15), x]
    params = influence(linear(x, y)).leave_one_out
    calibrated = cross_conformal_intervals(absolute_score(), params @ design.T, y, np.arange(15))
    interval = calibrated.predict(params @ np.c_[np.ones(3), further].T, level=0.8)
    left = [np.arange(15) != row for row in range(15)]
    refits = np.array([np.linalg.lstsq(design[rows], y[rows])[0] for rows in left])
    expected = [
        by_hand(y, refits @ design.T, np.arange(15), refits @ np.r_[1.0, row], 0.8)
        for row in further
    ]
    np.testing.assert_allclose(np.stack(interval, axis=1), expected, rtol=1e-9)


def test_coverage_of_cv_plus_by_simulation():
    """Means of 4 rows and 1: overfitted, so that in-sample residuals would cover too little."""
    rng, shares = np.random.default_rng(2), []
    fold = np.arange(20) % 5
    for _ in range(300):
        y, further = rng.normal(size=20), rng.normal(size=50)
        means = np.array([y[fold != k].mean() for k in range(5)])
        calibrated = cross_conformal_intervals(
            absolute_score(), np.repeat(means[:, None], 20, axis=1), y, fold
        )
        interval = calibrated.predict(np.repeat(means[:, None], 50, axis=1), level=0.8)
        shares.append(coverage(interval, further).share)
    # at least 1 - 2 (1 - level) in theory, about the level in practice
    assert 0.78 < np.mean(shares) < 0.84


def test_sets_are_those_of_their_definition():
    """Romano, Sesia and Candes (2020, equation 10): few rows are less strange than the label."""
    rng = np.random.default_rng(3)
    p, labels = rng.dirichlet(np.ones(3), (4, 22)), rng.integers(0, 3, 22)
    fold, further = rng.permutation(np.arange(22) % 4), rng.dirichlet(np.ones(3), (4, 6))
    sets = cross_conformal_sets(least_ambiguous_score(), p, labels, fold).predict(further, 0.6)
    scores = [1 - p[fold[i], i, labels[i]] for i in range(22)]
    for row in range(6):
        for label in range(3):
            less = sum(scores[i] < 1 - further[fold[i], row, label] for i in range(22))
            assert sets[row, label] == (less < 0.6 * 23)
    keys = jax.random.split(jax.random.key(0))
    calibrated = cross_conformal_sets(adaptive_score(), p, labels, fold, key=keys[0])
    with pytest.warns(UserWarning, match="level 0.99 needs at least 99 calibration rows, got 22"):
        assert calibrated.predict(further, 0.99, key=keys[1]).all()


def test_too_few_rows_bound_nothing():
    calibrated = cross_conformal_intervals(
        absolute_score(), np.zeros((2, 4)), np.ones(4), [0, 1] * 2
    )
    with pytest.warns(UserWarning, match="level 0.9 needs at least 9 calibration rows, got 4"):
        assert calibrated.predict(np.zeros((2, 1))).high.tolist() == [np.inf]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"folds": [0, 0, 2, 2]}, ValueError, "from 0 without a gap"),
        ({"folds": [0.0, 1.0, 0.0, 1.0]}, TypeError, "folds: expected whole numbers"),
        ({"predictions": np.zeros(4)}, ValueError, r"expected \[folds, rows, ...\] = \(2, 4\)"),
        ({"predictions": np.full((2, 4), np.nan)}, ValueError, "prediction: mean: .* finite"),
        ({"y": np.zeros((4, 1))}, ValueError, r"y: expected \[rows\]"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        cross_conformal_intervals(**SMALL | change)


def test_predictions_of_other_folds_are_refused():
    calibrated = cross_conformal_intervals(
        absolute_score(), np.zeros((2, 4)), np.ones(4), [0, 1] * 2
    )
    with pytest.raises(ValueError, match="predictions: expected those of 2 folds' models, got 3"):
        calibrated.predict(np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"predictions: expected \[folds, rows\], got \(4,\)"):
        calibrated.predict(np.zeros(4))
