import numpy as np
import pytest

from paramjax.data import check_data, check_labels, table


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "empty tree"),
        ({"x": np.zeros((0, 3))}, r"leaf x is empty, shape \(0, 3\)"),
        ({"x": np.zeros((4, 2)), "y": np.zeros(3)}, "one length, got {'x': 4, 'y': 3}"),
        ({"x": np.array([[0.0], [np.nan], [np.inf]])}, "2 values that are NaN .* row 1"),
        ({"x": np.array([1e300])}, "beyond the range of float32"),
        ({"n": np.array([2**40])}, "do not fit in 32 bits"),
    ],
)
def test_bad_data_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        check_data(data)


@pytest.mark.parametrize("leaf", [np.array(["a"]), [1.0, 2.0], np.float32(1.0)])
def test_what_is_no_array_of_numbers_is_refused(leaf):
    with pytest.raises(TypeError, match="data: leaf x"):
        check_data({"x": leaf})


@pytest.mark.parametrize("label", [-1, 10])
def test_labels_out_of_range_are_named(label):
    labels = np.array([0, 3, label, 9])
    with pytest.raises(ValueError, match=f"from 0 to 9, got {label} at row 2"):
        check_labels(labels, 10)


def test_labels_are_integers():
    with pytest.raises(TypeError, match="labels: expected integers"):
        check_labels(np.array([0.0, 1.0]), 2)


def test_tokens_stay_whole_and_within_the_vocabulary():
    tokens = np.array([[2, 5], [3, 0]])
    assert table(tokens, [0, 1])["x"].dtype == np.float32
    kept = table(tokens, [0, 1], vocabulary=6)["x"]
    assert (kept.dtype, kept.tolist()) == (np.int32, tokens.tolist())
    with pytest.raises(ValueError, match="tokens: .* 0 to 4, got 5 at row 0 .* another tokeniser"):
        table(tokens, [0, 1], vocabulary=5)
    with pytest.raises(TypeError, match="tokens: expected integers, got float64"):
        table(tokens / 2, [0, 1], vocabulary=6)
