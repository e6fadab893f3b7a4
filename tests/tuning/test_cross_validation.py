import sys

import numpy as np
import pytest

from paramjax.runs import Status
from paramjax.tuning import CrossValidation


@pytest.fixture
def result():
    """Five folds of 23 rows; the third diverged at once."""
    return CrossValidation(
        params=None,
        metrics={"loss": np.float32([1.0, 3.0, 5.0, 2.0, 4.0])},
        history={},
        folds=np.arange(23) % 5,
        status=tuple(map(Status, ["finished", "finished", "diverged", "finished", "finished"])),
        diverged_step=(None, None, 0, None, None),
    )


def test_the_deviation_has_one_below(result):
    assert (result.mean["loss"], result.std["loss"]) == (3.0, pytest.approx(np.sqrt(2.5)))
    assert result.stderr["loss"] == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_metric_that_is_not_finite_in_one_fold_has_no_mean(result, value):
    result.metrics["loss"][2] = value
    for number in (result.mean, result.std, result.stderr):
        assert np.isnan(number["loss"])


def test_a_fold_is_a_row_of_the_frame(result):
    frame = result.to_frame()
    assert list(frame.columns) == ["rows", "status", "diverged_step", "loss"]
    assert (frame.index.name, frame["rows"].tolist()) == ("fold", [5, 5, 5, 4, 4])
    assert frame["loss"].tolist() == [1.0, 3.0, 5.0, 2.0, 4.0]
    assert frame["diverged_step"].isna().tolist() == [True, True, False, True, True]
    assert frame["diverged_step"][2] == 0


def test_the_summary_names_metrics_and_the_folds_that_diverged(result):
    title, head, row, diverged = result.summary().split("\n")
    assert title == "23 rows in 5 folds"
    assert head.split() == ["metric", "mean", "std", "stderr"]
    assert row.split() == ["loss", "3", "1.581", "0.7071"]
    assert diverged == "fold 2 diverged at step 1"


def test_without_pandas_the_extra_is_named(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r'pandas is missing: .*"paramjax\[frames\]"'):
        result.to_frame()
