import math

import pytest

import paramjax as pj
from paramjax.space import check_space


@pytest.mark.parametrize("draw", [pj.uniform, pj.log_uniform])
@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0)])
def test_empty_and_inverted_ranges_are_refused(draw, low, high):
    with pytest.raises(ValueError, match="expected low < high"):
        draw(low, high)


@pytest.mark.parametrize("draw", [pj.uniform, pj.log_uniform])
def test_infinite_ends_are_refused(draw):
    with pytest.raises(ValueError, match="expected finite ends"):
        draw(0.1, math.inf)


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_logarithms_start_above_zero(low):
    with pytest.raises(ValueError, match="expected 0 < low"):
        pj.log_uniform(low, 1.0)


@pytest.mark.parametrize("options", [[], [1, 1], [0.1, math.nan]])
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match="choice: expected"):
        pj.choice(options)


def test_only_numbers_are_traced():
    assert pj.choice(["a", "b"]).static
    assert pj.choice([True, False]).static
    assert pj.choice([8, 16], static=True).static
    assert not pj.choice([8, 16]).static
    with pytest.raises(ValueError, match="only numbers can be traced"):
        pj.choice(["a", "b"], static=False)


def test_quantiles_reach_the_ends_and_no_further():
    assert pj.uniform(-1.0, 3.0).quantile(0.0) == -1.0
    assert pj.log_uniform(1e-3, 1.0).quantile(0.0) == pytest.approx(1e-3)
    assert pj.log_uniform(1e-3, 1.0).quantile(1.0) == pytest.approx(1.0)
    assert [pj.choice("abc").quantile(u) for u in (0.0, 0.34, 0.999)] == ["a", "b", "c"]


def test_a_learning_rate_does_not_reach_below_zero():
    with pytest.raises(ValueError, match="learning_rate: expected a number from 0"):
        check_space({"learning_rate": pj.uniform(-0.1, 0.1)})
    with pytest.raises(ValueError, match="learning_rate: expected a number from 0"):
        check_space({"learning_rate": pj.choice([0.1, -0.1])})


def test_a_plain_number_is_no_distribution():
    with pytest.raises(TypeError, match=r"'learning_rate' must be drawn from uniform"):
        check_space({"learning_rate": 0.1})
    with pytest.raises(TypeError, match="expected a search space such as"):
        check_space([pj.uniform(0.0, 1.0)])
