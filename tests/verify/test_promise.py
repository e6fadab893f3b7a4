import math

import numpy as np
import pytest

from paramjax.verify import promise

RUN = {"w": np.array([1.0, 2.0], np.float32), "rows": np.uint32(9)}
MOVED = {**RUN, "w": np.array([1.0, 2.000002], np.float32)}  # eight units in the last place


def test_equal_bits_keep_either_promise():
    for within in (None, 1e-5):
        finding = promise("it", RUN, RUN, within=within)
        assert (finding.found, finding.kept, finding.relative) == ("equal bits", True, None)


def test_rounding_keeps_a_tolerance_and_breaks_equal_bits():
    close = promise("it", RUN, MOVED, within=1e-5)
    assert close[1:4] == ("within 1e-5", "9.5e-7 in w", True)
    exact = promise("it", RUN, MOVED)
    assert exact[1:4] == ("equal bits", "9.5e-7 in w (1 of 2 leaves differ)", False)
    assert exact.leaf == "w"
    assert exact.relative == pytest.approx(8 * 2.0**-23)


def test_beyond_the_tolerance_is_broken():
    assert not promise("it", RUN, MOVED, within=1e-7).kept


def test_signs_of_zero_break_equal_bits_only():
    a, b = {"w": np.array([0.0, 1.0])}, {"w": np.array([-0.0, 1.0])}
    assert promise("it", a, b, within=1e-5).kept
    assert not promise("it", a, b).kept


def test_no_tolerance_covers_whole_numbers_or_forms():
    for other in ({**RUN, "rows": np.uint32(10)}, {"w": RUN["w"]}):
        finding = promise("it", RUN, other, within=1e9)
        assert (finding.kept, finding.relative) == (False, math.inf)


def test_the_worst_of_several_counts():
    assert promise("it", RUN, RUN, MOVED).kept is False
    assert promise("it", RUN, MOVED, RUN).kept is False


def test_nothing_to_compare_is_refused():
    with pytest.raises(ValueError, match="it: expected two results with leaves to compare"):
        promise("it", {}, {})
    with pytest.raises(ValueError, match="it: expected two results"):
        promise("it", RUN)
