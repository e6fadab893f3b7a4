"""What the report measures, against enumeration, closed forms and scipy."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from paramjax.bench.report._measures import (
    bad_end,
    capped,
    curve_scale,
    expected_best,
    expected_best_band,
    first_reaching,
    grouped,
    late_gain,
    search_scale,
    sensitivity,
    share_reached,
    typical,
)

VALUES = np.random.default_rng(0).normal(size=7)


@pytest.mark.parametrize("maximise", [True, False])
def test_the_expected_best_is_the_mean_over_all_subsets(maximise):
    best = max if maximise else min
    brute = [
        np.mean([best(subset) for subset in itertools.combinations(VALUES, k)])
        for k in range(1, len(VALUES) + 1)
    ]
    assert expected_best(VALUES, maximise=maximise) == pytest.approx(brute)


def test_the_expected_best_of_many_uniform_trials_is_k_over_k_plus_one():
    found = expected_best(np.random.default_rng(1).random(400), maximise=True)
    k = np.arange(1, 21)
    assert found[:20] == pytest.approx(k / (k + 1), abs=0.03)  # 400 draws: three standard errors


def test_the_expected_best_is_unbiased_and_drawing_with_replacement_is_not():
    """Tang et al., 2020: E[best of 5] of uniform numbers is 5/6, estimated from 6 of them."""
    rng = np.random.default_rng(2)
    samples = rng.random((4000, 6))
    ours = np.mean([expected_best(row, maximise=True)[4] for row in samples])
    rank = np.arange(1, 7) / 6
    weights = (
        rank**5 - (rank - 1 / 6) ** 5
    )  # chance that the i-th is the best of 5 with replacement
    assert ours == pytest.approx(5 / 6, abs=0.006)
    assert np.mean(np.sort(samples, 1) @ weights) < 5 / 6 - 0.02


def test_bands_are_students_intervals_over_replicates():
    rows = np.random.default_rng(3).normal(size=(5, 4))
    band = expected_best_band(rows, maximise=False)
    lowest = rows.min(axis=1)
    half = stats.t.interval(0.95, 4, lowest.mean(), stats.sem(lowest))
    assert (band.low[-1], band.high[-1]) == pytest.approx(half)
    assert band.middle[0] == pytest.approx(rows.mean())
    one = expected_best_band(rows[:1], maximise=False)
    assert (one.low == one.middle).all()
    assert (one.high == one.middle).all()


def test_sensitivity_is_wortsmans_integral_over_even_learning_rates():
    """Loss min(x^2, 1) for x = log10 rate in [-2, 2]: 2/3 within [-1, 1] and 2 beyond, over 4."""
    where = np.linspace(-2, 2, 4001)
    found = sensitivity(where**2, 1.0, maximise=False)
    assert found == pytest.approx((2 / 3 + 2) / 4, abs=1e-3)


def test_lost_and_worse_than_untrained_trials_count_as_untrained():
    assert capped([3.0, math.nan, 1.0], 2.0, maximise=False).tolist() == [2.0, 2.0, 1.0]
    assert sensitivity([math.nan, 1.0], 2.0, maximise=False) == 0.5
    assert sensitivity([math.nan, math.nan], 2.0, maximise=False) == 0.0


def test_neighbours_are_averaged_and_a_rest_is_spread():
    where, mean = grouped([5, 4, 3, 2, 1], [50, 40, 30, 20, 10], 2)
    assert where.tolist() == [2, 4.5]
    assert mean.tolist() == [20, 45]
    assert len(grouped([1.0], [2.0], 6)[0]) == 1


@pytest.mark.parametrize(("maximise", "step"), [(True, 20), (False, 10)])
def test_the_first_step_at_the_target(maximise, step):
    assert first_reaching([10, 20, 30], [0.5, 0.9, 0.4], 0.8, maximise=maximise) == step
    assert first_reaching([10, 20], [math.nan, math.nan], 0.8, maximise=maximise) == math.inf


def test_the_share_is_the_kaplan_meier_estimate():
    """By hand: of 5 one leaves at 10, two of 4 at 20, one of 2 at 40, and one never."""
    times = [20.0, 10.0, math.inf, 20.0, 40.0]
    when, share = share_reached(times)
    survival = np.cumprod([1 - 1 / 5, 1 - 2 / 4, 1 - 1 / 2])
    assert when.tolist() == [10, 20, 40]
    assert share == pytest.approx(1 - survival)
    sample = stats.CensoredData([20, 10, 20, 40], right=[500])
    assert share == pytest.approx(stats.ecdf(sample).cdf.probabilities[:3])
    assert share_reached([math.inf])[1].size == 0


def test_lost_curves_count_as_worst():
    curves = [[1.0, 2.0], [2.0, math.nan], [3.0, math.nan]]
    band = typical(curves, maximise=True)
    assert band.middle[0] == 2.0
    assert np.isnan(band.middle[1])
    assert band.high[1] == 2.0
    assert typical(curves[:2], maximise=False).middle[0] == 1.5


def test_the_middle_half_is_made_of_measured_values():
    band = typical(np.arange(12.0)[:, None], maximise=True)
    assert (band.low[0], band.middle[0], band.high[0]) == (2.0, 5.5, 9.0)


def test_late_gains_have_the_sign_of_an_improvement():
    falling = [1.0, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert late_gain(falling, maximise=False) == pytest.approx(0.1)
    assert late_gain(falling, maximise=True) == pytest.approx(-0.1)


def test_the_axis_of_curves_shows_their_second_half_but_for_the_worst():
    steps = np.linspace(0, 1, 20)
    curves = [0.9 + 0.01 * i - 0.8 * (1 - steps) ** 8 for i in range(8)] + [np.full(20, 0.1)]
    scale = curve_scale(curves, maximise=True)
    assert scale.low > 0.85
    assert scale.high > 0.97
    assert curve_scale(curves, [0.05], maximise=True).low < 0.05


def test_the_axis_of_a_search_holds_what_was_chosen():
    tried = [0.1] * 20 + list(np.linspace(0.9, 0.95, 40))
    scale = search_scale(tried, [0.8, 0.95], maximise=True)
    assert scale.low < 0.8
    assert not scale.holds(0.1)
    assert scale.low < bad_end(scale) < 0.8
