"""Panels of an estimate: what is drawn where, from arrays alone."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

from paramjax.plots import (
    correlation_matrix,
    fitted_curve,
    panel_figure,
    profile_curve,
    residual_quantiles,
    residual_scatter,
)


@pytest.fixture
def ax():
    return Figure().add_subplot()


def dots(ax):
    return np.concatenate(
        [part.get_offsets().data for part in ax.collections if part.get_sizes().size]
    )


def test_a_fit_shows_data_curve_and_bands(ax):
    grid = np.array([0.0, 1.0, 2.0])
    fitted_curve(
        ax, [0, 1, 2, 2], [1, 2, 3, 4], grid, grid + 1, band=(grid, grid + 2), level=0.9,
        observation_band=(grid - 1, grid + 3), labels=("t_1 $", "a long name of a response"),
    )  # fmt: skip
    assert dots(ax).tolist() == [[0, 1], [1, 2], [2, 3], [2, 4]]
    low, high, curve = (line.get_ydata().tolist() for line in ax.lines)
    assert (low, high, curve) == ([-1, 0, 1], [3, 4, 5], [1, 2, 3])
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["data", "90 % of observations", "90 % of the curve", "fit"]
    assert ax.get_xlabel() == r"t_1 \$"
    assert len(ax.get_ylabel()) == 16


def test_residuals_against_fits_have_the_median_of_their_neighbours(ax):
    fitted = np.arange(60.0)[::-1]
    residual_scatter(ax, np.where(fitted < 30, 1.0, -1.0), fitted)
    medians = ax.lines[1].get_ydata()
    assert medians.tolist() == [1, 1, 1, -1, -1, -1]
    assert ax.lines[1].get_xdata()[0] == 4.5


def test_quantiles_of_normal_numbers_lie_on_the_line_and_the_shade_holds_them(ax):
    normal = stats.norm.ppf((np.arange(1, 100) - 0.5) / 99)
    residual_quantiles(ax, 3 * normal[::-1] + 1)
    points = dots(ax)
    np.testing.assert_allclose(points[:, 0], normal, atol=1e-12)
    np.testing.assert_allclose(points[:, 1], normal / normal.std(), atol=1e-12)
    low, high = (stats.norm.ppf(stats.beta.ppf(p, 1, 99)) for p in (0.025, 0.975))
    shade = ax.collections[0].get_paths()[0].vertices
    ends = shade[np.isclose(shade[:, 0], normal[0])][:, 1]
    assert (ends.min(), ends.max()) == pytest.approx((low, high))


def test_very_many_rows_are_thinned(ax):
    residual_scatter(ax, np.zeros(10**6))
    assert len(dots(ax)) == 5000
    assert dots(ax)[-1, 0] == 10**6 - 1


def test_a_profile_beside_the_parabola_of_wald(ax):
    profile_curve(
        ax, [3.0, 1.0, 2.0], [5.0, 4.0, 0.0], name="b", threshold=3.84, wald=(2.0, 0.5),
        interval=(1.1, np.inf),
    )  # fmt: skip
    lines = {line.get_label(): line for line in ax.lines}
    assert lines["profile"].get_ydata().tolist() == [4.0, 0.0, 5.0]
    wald = lines["Wald"]
    np.testing.assert_allclose(wald.get_ydata(), ((wald.get_xdata() - 2) / 0.5) ** 2)
    shade = ax.patches[0].get_bbox()
    assert (shade.x0, shade.x1) == (1.1, 3.0)  # an interval without end fills the panel


def test_correlations_are_written_into_few_cells_alone(ax):
    correlation_matrix(ax, ["a", "b"], [[1, np.nan], [np.nan, 1]])
    assert [text.get_text() for text in ax.texts] == ["1", "NaN", "NaN", "1"]
    near = Figure().add_subplot()
    correlation_matrix(near, ["a", "b"], [[1, -0.9993], [0.004, 1]])
    assert [text.get_text() for text in near.texts] == ["1", "-0.9993", "0.00", "1"]
    many = Figure().add_subplot()
    correlation_matrix(many, [f"w[{i}]" for i in range(50)], np.eye(50))
    assert not many.texts
    assert many.get_xlabel() == "50 parameters"


def test_panels_stand_in_rows_of_three_at_most():
    shapes = {}
    for count in (1, 2, 3, 4, 5):
        grid = panel_figure([lambda ax: ax.plot([0, 1])] * count).axes[0].get_gridspec()
        shapes[count] = (grid.nrows, grid.ncols)
    assert shapes == {1: (1, 1), 2: (1, 2), 3: (1, 3), 4: (2, 2), 5: (2, 3)}


def test_shapes_that_do_not_fit_are_refused(ax):
    with pytest.raises(ValueError, match=r"x and y of one length, got \[2\] and \[3\]"):
        fitted_curve(ax, [0, 1], [0, 1, 2], [0], [0])
    with pytest.raises(ValueError, match=r"expected \[1, 1\] for 1 names, got \[2, 2\]"):
        correlation_matrix(ax, ["a"], np.eye(2))
    with pytest.raises(ValueError, match="at least one panel"):
        panel_figure([])
