import numpy as np

from paramjax.runs._history import History


def test_appends_are_concatenated_whatever_their_lengths():
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(rng.integers(0, 9), 2)).astype(np.float32) for _ in range(40)]
    history = History()
    for part in parts:
        history.append({"a": part, "b": part[:, 0].astype(np.int32)})
    np.testing.assert_array_equal(history.arrays()["a"], np.concatenate(parts))
    assert history.arrays()["b"].dtype == np.int32


def test_what_was_handed_out_does_not_change():
    history = History({"loss": np.arange(3.0)})
    history.append({"loss": np.array([9.0])})  # leaves room behind it
    before = history.arrays()["loss"]
    before[:] = 0.0
    history.append({"loss": np.array([7.0])})
    assert before.tolist() == [0.0, 0.0, 0.0, 0.0]
    assert history.arrays()["loss"].tolist() == [0.0, 1.0, 2.0, 9.0, 7.0]
    assert history.last("loss") == 7.0
    assert len(history) == 5


def test_without_rows_there_is_no_last_value():
    assert History().last("loss") is None


def test_what_was_not_measured_is_nan():
    history = History({"loss": np.float32([2.0, 1.0]), "seen": np.int32([1, 2])})
    history.append({"loss": np.float32([0.5]), "accuracy": np.float32([[0.5, 0.75]])})
    arrays = history.arrays()
    np.testing.assert_array_equal(arrays["loss"], np.float32([2.0, 1.0, 0.5]))
    np.testing.assert_array_equal(arrays["seen"], [1, 2, np.nan])
    np.testing.assert_array_equal(arrays["accuracy"], [[np.nan] * 2, [np.nan] * 2, [0.5, 0.75]])
    assert arrays["loss"].dtype == arrays["accuracy"].dtype == np.float32
