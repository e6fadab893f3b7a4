import warnings

import jax
import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from paramjax.data import folds


def counts(fold, k):
    return np.bincount(fold, minlength=k)


@pytest.mark.parametrize(("rows", "k"), [(2, 2), (5, 5), (10, 3), (101, 10), (64, 8)])
def test_every_row_has_a_fold_and_sizes_differ_by_one(rows, k):
    for seed in range(5):
        fold = folds(rows, k, jax.random.key(seed))
        assert (fold.shape, fold.dtype) == ((rows,), np.int32)
        sizes = counts(fold, k)
        assert (len(sizes), sizes.sum()) == (k, rows)
        assert sizes.max() - sizes.min() == (rows % k > 0)


@pytest.mark.parametrize("seed", range(6))
def test_classes_are_spread_as_scikit_learn_spreads_them(seed):
    """Members of a class in the folds: the same numbers, whichever fold has which."""
    rng = np.random.default_rng(seed)
    rows, k, classes = int(rng.integers(60, 120)), int(rng.integers(2, 8)), 4
    labels = rng.choice(classes, rows, p=[0.5, 0.2, 0.2, 0.1]) - 1
    labels[: classes * k] = np.repeat(np.arange(classes) - 1, k)
    fold = folds(rows, k, jax.random.key(seed), stratify=labels)
    parts = StratifiedKFold(k, shuffle=True, random_state=seed).split(np.zeros(rows), labels)
    theirs = np.empty(rows, int)
    for number, (_, held_out) in enumerate(parts):
        theirs[held_out] = number
    assert np.ptp(counts(fold, k)) <= 1
    for label in np.unique(labels):
        mine = np.sort(counts(fold[labels == label], k))
        np.testing.assert_array_equal(mine, np.sort(counts(theirs[labels == label], k)))
        assert np.ptp(mine) <= 1


def test_they_are_a_function_of_the_key():
    labels = np.arange(50) % 3
    for stratify in (None, labels):
        first = folds(50, 4, jax.random.key(0), stratify=stratify)
        np.testing.assert_array_equal(first, folds(50, 4, jax.random.key(0), stratify=stratify))
        assert (first != folds(50, 4, jax.random.key(1), stratify=stratify)).any()


def test_booleans_and_device_arrays_are_labels():
    labels = jax.numpy.arange(20) < 8
    fold = folds(20, 4, jax.random.key(0), stratify=labels)
    assert counts(fold[:8], 4).tolist() == [2] * 4


def test_every_pair_of_rows_is_together_as_often_as_chance_has_it():
    """Of 12 rows in 3 folds of 4, a pair shares its fold with probability 3 / 11."""
    drawn = np.stack([folds(12, 3, jax.random.key(seed)) for seed in range(400)])
    together = (drawn[:, :, None] == drawn[:, None, :]).mean(0)[np.triu_indices(12, 1)]
    # 66 pairs at 400 draws: deviation 0.0223, and 4.2 of them bound all with 99.8 %
    assert np.abs(together - 3 / 11).max() < 4.2 * np.sqrt(3 / 11 * 8 / 11 / 400)


def test_the_larger_folds_are_drawn_too():
    """Of 7 rows in 3 folds, one fold has a third row, each with probability 1 / 3."""
    largest = [int(counts(folds(7, 3, jax.random.key(s)), 3).argmax()) for s in range(300)]
    # deviation 8.2 around 100
    assert np.abs(counts(largest, 3) - 100).max() < 33


@pytest.mark.parametrize(
    ("rows", "k", "error", "message"),
    [
        (10, 1, ValueError, r"folds: expected a whole number from 2 to 2\*\*31 - 1, got 1"),
        (3, 4, ValueError, "folds: expected at most one for each of the 3 rows, got 4"),
        (10, 2.0, TypeError, "folds: expected a whole number, got float 2.0"),
        (0, 2, ValueError, "rows: expected a whole number from 1"),
    ],
)
def test_counts_out_of_range_are_refused(rows, k, error, message):
    with pytest.raises(error, match=message):
        folds(rows, k, jax.random.key(0))


def test_labels_that_are_none_are_refused():
    key = jax.random.key(0)
    with pytest.raises(TypeError, match=r"stratify: expected class labels.*got float64\[10\]"):
        folds(10, 2, key, stratify=np.zeros(10))
    with pytest.raises(ValueError, match=r"stratify: expected a label for each of the 10 rows"):
        folds(10, 2, key, stratify=np.zeros(9, int))
    with pytest.raises(ValueError, match=r"stratify: .* got int64\[10,1\]"):
        folds(10, 2, key, stratify=np.zeros((10, 1), int))
    with pytest.raises(TypeError, match="key: expected a typed key"):
        folds(10, 2, jax.random.PRNGKey(0))


def test_small_classes_warn_and_are_refused_as_in_scikit_learn():
    labels = np.array([0] * 8 + [7] * 2)
    with pytest.warns(UserWarning, match="folds: class 7 has 2 members, fewer than the 3 folds"):
        fold = folds(10, 3, jax.random.key(0), stratify=labels)
    assert sorted(counts(fold[labels == 7], 3).tolist()) == [0, 1, 1]
    with pytest.raises(ValueError, match="as the largest class has members, 8, got 9"):
        folds(10, 9, jax.random.key(0), stratify=labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="n_splits=9 cannot be greater than the number"):
            next(StratifiedKFold(9).split(np.zeros(10), labels))


def test_a_single_class_is_refused():
    with pytest.raises(ValueError, match="two classes or more, got only 1"):
        folds(6, 2, jax.random.key(0), stratify=np.ones(6, int))
