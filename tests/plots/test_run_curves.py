import numpy as np
import pytest

import paramjax as pj


def test_training_and_validation_share_a_panel():
    history = {
        "loss": np.array([8.0, 4.0, 2.0, 1.0], np.float32),
        "per_layer": np.ones((4, 3), np.float32),
    }
    validation = {
        "step": np.array([2, 4]),
        "loss": np.array([5.0, 3.0], np.float32),
        "accuracy": np.array([0.5, 0.75], np.float32),
    }
    figure = pj.plots.run_curves(history, validation)
    loss, accuracy = figure.axes
    assert loss.get_ylabel() == "loss"
    training, measured = loss.lines
    np.testing.assert_array_equal(training.get_xydata(), [[1, 8], [2, 4], [3, 2], [4, 1]])
    np.testing.assert_array_equal(measured.get_xydata(), [[2, 5], [4, 3]])
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["training", "validation"]
    assert accuracy.get_ylabel() == "accuracy"
    np.testing.assert_array_equal(accuracy.lines[0].get_xydata(), [[2, 0.5], [4, 0.75]])


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([1e3, 1.0], "log"), ([2.0, 1.0], "linear"), ([1e3, -1.0], "linear"), ([np.nan], "linear")],
)
def test_magnitudes_are_shown_on_a_logarithmic_axis(losses, scale):
    assert pj.plots.run_curves({"loss": np.array(losses)}).axes[0].get_yscale() == scale


@pytest.mark.parametrize("count", [1, 7, 1000, 1001, 12_345])
def test_a_long_run_is_drawn_by_its_means(count):
    values = np.random.default_rng(0).normal(size=count)
    steps, means = pj.plots.run_curves({"loss": values}).axes[0].lines[0].get_xydata().T
    assert len(steps) <= 1000
    assert steps[-1] == count
    np.testing.assert_allclose(means @ np.diff([0, *steps]), values.sum(), rtol=1e-9)
