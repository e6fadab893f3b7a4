"""The figure of an estimate: which panels there are, and that they draw the estimate's numbers."""

import numpy as np
import pytest

from paramjax.estimate import curve_fit, formula, least_squares, linear, profile

X = np.linspace(0.0, 4.0, 12)
Y = 1.0 + 0.5 * X + np.tile([0.1, -0.2, 0.05, 0.05], 3)


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]


@pytest.fixture(scope="module")
def line():
    return linear(X, Y, names=["dose"])


def test_a_line_through_points_by_linear_and_by_curve_fit_has_the_same_panels(line):
    fitted = curve_fit(formula("y ~ a + b*dose").predict, {"a": 0.0, "b": 0.0}, {"dose": X}, Y)
    slope, intercept = np.polyfit(X, Y, 1)
    for estimate in (line, fitted):
        figure = estimate.plot(level=0.9)
        assert titles(figure) == [
            "Fit", "Residuals", "Residual quantiles", "Correlation of the estimates",
        ]  # fmt: skip
        fit, residuals = figure.axes[:2]
        assert fit.get_xlabel() == "dose"
        curve = fit.lines[-1]
        np.testing.assert_allclose(curve.get_ydata(), intercept + slope * curve.get_xdata())
        at, values = residuals.collections[0].get_offsets().data.T
        np.testing.assert_allclose(at, intercept + slope * X)
        np.testing.assert_allclose(values, Y - intercept - slope * X, atol=1e-12)
        texts = [text.get_text() for text in fit.get_legend().get_texts()]
        assert "90 % of observations" in texts


def test_several_inputs_have_no_curve_and_residuals_alone_no_fitted_value(line):
    two = linear(np.stack([X, X**2], axis=1), Y)
    figure = two.plot()
    assert titles(figure)[:2] == ["Estimates", "Residuals"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list(two.names)
    np.testing.assert_array_equal(figure.axes[0].collections[1].get_offsets()[:, 0], two.theta)
    alone = least_squares(lambda params, data: data - params, 0.0, Y)
    assert titles(alone.plot()) == ["Residuals", "Residual quantiles"]
    assert alone.plot().axes[0].get_xlabel() == "row"
    with pytest.raises(ValueError, match="level: expected"):
        line.plot(level=2)


def test_profiles_of_a_line_are_the_parabolas_of_wald(line):
    figure = profile(line).plot(0.9)
    assert [ax.get_xlabel() for ax in figure.axes] == list(line.names)
    ax = figure.axes[1]
    drawn = {part.get_label(): part for part in ax.lines}["profile"]
    expected = ((drawn.get_xdata() - line.theta[1]) / line.errors[1]) ** 2
    np.testing.assert_allclose(drawn.get_ydata(), expected, rtol=1e-6, atol=1e-9)
    shade = ax.patches[0].get_bbox()
    interval = line.interval(0.9)
    np.testing.assert_allclose([shade.x0, shade.x1], [interval.low["dose"], interval.high["dose"]])
