"""The sign-flip test against enumeration, scipy and the normal limit."""

import itertools

import numpy as np
import pytest
from scipy import stats

from paramjax.bench.statistics import sign_flip_p


@pytest.mark.parametrize("count", [1, 2, 5, 6, 9])
def test_sign_flips_are_those_of_an_enumeration(count):
    x = np.random.default_rng(count).normal(0.4, 1, count).round(1)  # rounded: sums tie
    sums = [abs(np.dot(signs, x)) for signs in itertools.product([-1, 1], repeat=count)]
    assert sign_flip_p(x) == np.mean(np.array(sums) >= abs(x.sum()) - 1e-9)


def test_sign_flips_are_those_of_scipy():
    x = np.random.default_rng(0).normal(0.5, 1, 11)
    exact = stats.permutation_test(
        (x,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    assert sign_flip_p(x) == pytest.approx(exact.pvalue)


def test_drawn_sign_patterns_come_near_the_normal_limit():
    x = np.random.default_rng(1).normal(0.3, 1, 60)
    limit = 2 * stats.norm.sf(abs(x.sum()) / np.sqrt((x**2).sum()))
    assert sign_flip_p(x) == pytest.approx(limit, abs=0.005)
    assert sign_flip_p(x) == sign_flip_p(x)
    assert sign_flip_p(np.ones(60)) == pytest.approx(1 / 20_001)


def test_sums_of_zero_show_nothing():
    assert sign_flip_p(np.zeros(6)) == 1
    assert sign_flip_p([1.0, -1.0]) == 1


def test_values_are_checked():
    for values in ([1.0, np.nan], [], [[1.0]]):
        with pytest.raises(ValueError, match="drop the NaN"):
            sign_flip_p(values)
