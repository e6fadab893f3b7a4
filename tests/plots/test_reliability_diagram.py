from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from scipy import stats

from paramjax.plots import reliability_diagram


def curve(confidence, accuracy, weight):
    return SimpleNamespace(confidence=confidence, accuracy=accuracy, weight=weight)


NETWORK = curve([np.nan, 0.3, 0.9], [np.nan, 0.25, 0.8], [0.0, 40.0, 160.0])
SURE = curve([0.8, 0.95], [0.9, 0.99], [300.0, 700.0])


def test_bins_their_intervals_and_the_rows_of_each_model():
    figure = Figure()
    ax = reliability_diagram({"a_network": NETWORK, "sure": SURE}, figure.add_subplot())
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    # 0.2 * 0.05 + 0.8 * 0.1, and 0.3 * 0.1 + 0.7 * 0.04
    assert texts == ["a network: ECE 0.090", "sure: ECE 0.058"]
    marks = [c for c in ax.collections if isinstance(c, PathCollection)]
    np.testing.assert_allclose(marks[0].get_offsets(), [[0.3, 0.25], [0.9, 0.8]])
    assert marks[0].get_sizes()[1] > marks[0].get_sizes()[0]
    bars = next(c for c in ax.collections if isinstance(c, LineCollection)).get_segments()
    for segment, count, rows in zip(bars, [10, 128], [40, 160], strict=True):
        wilson = stats.binomtest(count, rows).proportion_ci(0.95, method="wilson")
        np.testing.assert_allclose(segment[:, 1], [wilson.low, wilson.high], rtol=1e-12)
    heights = np.array([bar.get_height() for bar in ax.patches])
    np.testing.assert_allclose(heights / heights.max(), [0.25, 1.0, 0.375, 0.875])
    assert ax.get_ylim()[0] < 0 <= min(ax.get_yticks())
    figure.canvas.draw()


def test_a_model_of_two_classes_starts_at_one_half():
    ax = reliability_diagram(SURE, Figure().add_subplot(), title="Two classes")
    assert ax.get_title(loc="left") == "Two classes"
    assert 0.4 < ax.get_xlim()[0] < 0.5


@pytest.mark.parametrize(
    ("curves", "options", "message"),
    [
        ({}, {}, "expected at least one calibration curve"),
        (SURE, {"level": 1.0}, r"level: expected a number in \(0, 1\)"),
        ({"a": curve([0.5], [0.5, 0.5], [1.0])}, {}, "curves: 'a': expected confidence"),
        (curve([0.5], [np.nan], [np.nan]), {}, "curves: expected finite numbers .* got NaN"),
        (curve([np.nan], [np.nan], [0.0]), {}, "curves: expected finite numbers .* got no row"),
    ],
)
def test_curves_that_cannot_be_drawn_are_refused(curves, options, message):
    with pytest.raises(ValueError, match=message):
        reliability_diagram(curves, Figure().add_subplot(), **options)
