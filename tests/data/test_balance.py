"""Weights of classes are scikit-learn's; balanced orders are counted."""

import jax
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from paramjax import data

LABELS = np.random.default_rng(0).choice(3, 200, p=[0.8, 0.15, 0.05])


def test_weights_are_scikit_learns():
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(data.class_weights(LABELS, 3), theirs, rtol=1e-6)
    weights = data.sample_weights(LABELS, 3)
    np.testing.assert_allclose(weights, compute_sample_weight("balanced", LABELS), rtol=1e-6)
    assert weights.mean() == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("rows", [None, 1, 3, 7, 600])
def test_classes_are_equally_often_and_rows_as_evenly_as_can_be(rows):
    order = data.balanced_order(jax.random.key(0), LABELS, 3, rows=rows)
    assert (len(order), order.dtype) == (rows or 200, np.int32)
    assert np.ptp(np.bincount(LABELS[order], minlength=3)) <= 1
    for label in range(3):
        times = np.bincount(order[LABELS[order] == label], minlength=200)[label == LABELS]
        assert np.ptp(times) <= 1


def test_it_is_a_function_of_the_key_and_every_class_gets_the_odd_row():
    draw = lambda seed: data.balanced_order(jax.random.key(seed), LABELS, 3, rows=4)
    np.testing.assert_array_equal(draw(0), draw(0))
    drawn = np.stack([draw(seed) for seed in range(30)])
    assert len(np.unique(drawn, axis=0)) > 25
    twice = [np.bincount(LABELS[own], minlength=3).argmax() for own in drawn]
    assert set(twice) == {0, 1, 2}


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0, 2, 2], ValueError, "each of the 3 classes, got none of class 1"),
        ([0, 1, 3], ValueError, "from 0 to 2, got 3 at row 2"),
        ([0.0, 1.0], TypeError, "expected integers"),
        ([[0], [1], [2]], ValueError, r"one for each row, \[rows\]"),
    ],
)
def test_refusals(labels, error, message):
    labels = np.array(labels)
    for call in (data.class_weights, data.sample_weights):
        with pytest.raises(error, match=message):
            call(labels, 3)
    with pytest.raises(error, match=message):
        data.balanced_order(jax.random.key(0), labels, 3)
