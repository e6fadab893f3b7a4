import math

import numpy as np
import pytest
from scipy import stats

import paramjax as pj

EVEN = (np.arange(1000) + 0.5) / 1000
RANGES = pytest.mark.parametrize("draw", [pj.uniform, pj.log_uniform])


@RANGES
@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0)])
def test_empty_and_inverted_ranges_are_refused(draw, low, high):
    with pytest.raises(ValueError, match=f"^{draw.__name__}: expected low < high, got low={low}"):
        draw(low, high)


@RANGES
@pytest.mark.parametrize("end", [math.inf, math.nan, 1e39, 10**400])
def test_ends_that_are_not_finite_in_float32_are_refused(draw, end):
    with pytest.raises(ValueError, match=f"^{draw.__name__}: expected finite ends within float32"):
        draw(0.1, end)


@RANGES
@pytest.mark.parametrize(
    ("low", "high", "message"),
    [(True, 2, "a number for low, got bool True"), (0.1, "1", "a number for high, got str '1'"),
     (None, 1, "a number for low, got None"), (1j, 2, "a number for low, got complex 1j")],
)  # fmt: skip
def test_ends_that_are_no_numbers_are_refused(draw, low, high, message):
    with pytest.raises(TypeError, match=f"^{draw.__name__}: expected {message}"):
        draw(low, high)


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_logarithms_start_above_zero(low):
    with pytest.raises(ValueError, match=f"log_uniform: expected 0 < low, got low={low}"):
        pj.log_uniform(low, 1.0)


@pytest.mark.parametrize(("low", "high"), [(1e-5, 1.0), (0.5, 2.0), (3, 4000)])
def test_quantiles_are_those_of_scipy(low, high):
    drawn = {
        pj.uniform: stats.uniform.ppf(EVEN, low, high - low),
        pj.log_uniform: stats.loguniform.ppf(EVEN, low, high),
    }
    for draw, expected in drawn.items():
        quantiles = [draw(low, high).quantile(u) for u in EVEN]
        np.testing.assert_allclose(quantiles, expected, rtol=1e-12)


@RANGES
def test_quantiles_reach_the_ends(draw):
    ends = [draw(np.float32(0.5), 3).quantile(u) for u in (0.0, 1.0)]
    assert ends == pytest.approx([0.5, 3.0], rel=1e-15)


def test_they_are_written_as_they_are_made():
    made = [pj.uniform(0, 1), pj.log_uniform(1e-4, 1)]
    assert list(map(str, made)) == ["uniform(0, 1)", "log_uniform(0.0001, 1)"]
    assert [(d.static, d.logarithmic) for d in made] == [(False, False), (False, True)]
