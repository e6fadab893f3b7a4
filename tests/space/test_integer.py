import math
from collections import Counter

import numpy as np
import pytest

import paramjax as pj

LARGEST = 2**31 - 1


def even(count):
    return (np.arange(count) + 0.5) / count


@pytest.mark.parametrize(("low", "high"), [(0, 5), (-3, 2), (7, 7), (1, 60)])
def test_every_value_is_equally_likely(low, high):
    values = range(low, high + 1)
    counts = Counter(pj.integer(low, high).quantile(u) for u in even(600))
    assert counts == dict.fromkeys(values, 600 // len(values))


@pytest.mark.parametrize(("low", "high"), [(1, 8), (3, 40), (5, 5), (1, 1000)])
def test_logarithms_fall_evenly(low, high):
    """k has the share log((k + 1) / k) of the range; a grid counts it to within one."""
    drawn, count = pj.integer(low, high, log=True), 100_000
    counts = Counter(drawn.quantile(u) for u in even(count))
    shares = {k: math.log((k + 1) / k) / math.log((high + 1) / low) for k in range(low, high + 1)}
    assert counts.keys() == shares.keys()
    assert max(abs(counts[k] - count * share) for k, share in shares.items()) < 1


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("low", "high"), [(1, 3), (10**6, 10**6), (1, LARGEST), (LARGEST,) * 2])
def test_quantiles_reach_the_ends_and_no_further(low, high, log):
    drawn = pj.integer(low, high, log=log)
    assert [drawn.quantile(u) for u in (0.0, math.nextafter(1, 0), 1.0)] == [low, high, high]


def test_all_of_int32_is_drawn():
    assert [pj.integer(-LARGEST - 1, LARGEST).quantile(u) for u in (0, 0.5)] == [-LARGEST - 1, 0]


@pytest.mark.parametrize(
    ("low", "high", "log", "message"),
    [(3, 1, False, "expected low <= high, got low=3, high=1"),
     (0, 2**31, False, r"expected ends from -2\*\*31 to 2\*\*31 - 1, got low=0"),
     (-(2**31) - 1, 0, False, "expected ends from"),
     (0, 8, True, "expected low >= 1 with log=True, got low=0"),
     (-8, 8, True, "expected low >= 1 with log=True, got low=-8")],
)  # fmt: skip
def test_ranges_without_values_are_refused(low, high, log, message):
    with pytest.raises(ValueError, match=f"^integer: {message}"):
        pj.integer(low, high, log=log)


@pytest.mark.parametrize("end", [True, 1.0, math.nan, "3", None])
def test_ends_that_are_not_whole_are_refused(end):
    with pytest.raises(TypeError, match="integer: expected a whole number for low, got"):
        pj.integer(end, 9)
    with pytest.raises(TypeError, match="integer: expected a whole number for high, got"):
        pj.integer(0, end)


@pytest.mark.parametrize(
    ("drawn", "text"),
    [(pj.integer(2, 8), "integer(2, 8)"),
     (pj.integer(np.int64(1), 64, log=True), "integer(1, 64, log=True)"),
     (pj.integer(1, 4, static=True), "integer(1, 4, static=True)"),
     (pj.integer(1, 4, log=True, static=True), "integer(1, 4, log=True, static=True)")],
)  # fmt: skip
def test_it_is_written_as_it_is_made(drawn, text):
    assert str(drawn) == text
    assert drawn.logarithmic is ("log" in text)
    assert drawn.static is ("static" in text)
