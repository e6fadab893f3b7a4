"""Looks and their levels against published constants and a simulated null."""

import numpy as np
import pytest
from scipy import stats

from paramjax.bench.statistics import boundaries, clopper_pearson, looks_until, weigh


@pytest.mark.parametrize(("looks", "constant"), [(1, 1.960), (2, 1.977), (5, 2.040), (10, 2.087)])
def test_constants_are_those_of_jennison_and_turnbull(looks, constant):
    """Table 2.3 of their book (2000): O'Brien and Fleming, 5 %, equal groups."""
    levels = boundaries([6 * look for look in range(1, looks + 1)])
    last = stats.norm.ppf((1 + levels[-1]) / 2)
    assert last == pytest.approx(constant, abs=0.001)
    first = stats.norm.isf((1 - levels[0]) / 2)
    assert min(first, 6.0) == pytest.approx(min(constant * np.sqrt(looks), 6.0), abs=0.01)


def test_looks_double_every_second_time():
    assert looks_until(48) == [6, 8, 12, 16, 24, 32, 48]
    assert looks_until(50) == [6, 8, 12, 16, 24, 32, 50]
    assert looks_until(20, first=10) == [10, 13, 20]
    assert looks_until(7) == [7]


def test_early_looks_of_a_long_plan_have_levels_below_one():
    levels = boundaries(looks_until(1000))
    assert max(levels) < 1
    assert levels == sorted(levels, reverse=True)


def test_a_sequence_of_looks_errs_as_often_as_it_says():
    """Student's p-values and the guard at each look, 4,000 nulls: 5 % in all."""
    rng = np.random.default_rng(0)
    looks = looks_until(24)
    scores = rng.normal(size=(4000, looks[-1]))
    wrong = np.zeros(4000, bool)
    for look, level in zip(looks, boundaries(looks), strict=True):
        seen = scores[:, :look]
        found = weigh(
            seen, 0 * seen, margin=0.0, maximise=True, variance_ratio=0.0, level=level
        ).words
        wrong |= (found == "better") | (found == "worse")
    low, high = clopper_pearson(int(wrong.sum()), 4000, 0.999)
    assert low < 0.05 < high


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: looks_until(4), "first 6 and maximum 4"),
        (lambda: looks_until(4, first=1), "2 <= first"),
        (lambda: boundaries([]), "ascending looks"),
        (lambda: boundaries([6, 6]), "ascending looks"),
        (lambda: boundaries([1, 6]), "2 or more"),
        (lambda: boundaries([6, 12], level=1.0), r"level in \(0.5, 1\), got 1.0"),
    ],
)
def test_bad_plans_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
