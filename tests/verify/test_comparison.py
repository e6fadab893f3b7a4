import math

import jax
import numpy as np
import pytest

from paramjax.verify import Difference, compare, flatten, promise
from paramjax.verify._results import load_result, save_result  # how processes pass results

TREE = {"params": {"w": np.array([4.0, -2.0, 0.5], np.float32)}, "count": np.int32(7)}
FLAT = flatten(TREE)


def changed(**leaves):
    return {**FLAT, **{name.replace("_", "/"): np.asarray(v) for name, v in leaves.items()}}


def flipped(array, bit):
    """The array with one bit of its first element changed."""
    bits = array.copy().view(np.uint32)
    bits[0] ^= np.uint32(1 << bit)
    return bits.view(np.float32)


@pytest.mark.parametrize(("bit", "relative"), [(0, 2.0**-23), (22, 0.5), (31, 2.0)])
def test_one_flipped_bit_is_found_with_its_size(bit, relative):
    """4.0 moves by one unit in the last place, by half of itself, or to the other side."""
    assert compare(FLAT, changed()) == []
    (found,) = compare(FLAT, changed(params_w=flipped(TREE["params"]["w"], bit)))
    assert found == Difference("params/w", relative)


def test_a_difference_is_relative_to_the_largest_number_of_its_leaf():
    (found,) = compare({"w": np.array([100.0, 1e-6])}, {"w": np.array([100.0, 2e-6])})
    assert found.relative == pytest.approx(1e-8, rel=1e-9)
    assert str(found) == "1e-8 in w"


def test_equal_nan_are_equal_and_others_are_not():
    a = np.array([np.nan, 1.0], np.float32)
    assert compare({"w": a}, {"w": a.copy()}) == []
    (payload,) = compare({"w": a}, {"w": flipped(a, 0)})
    assert payload == Difference("w", 0.0, "signs of zeros or payloads of NaN")
    for other in ([1.0, np.nan], [1.0, 1.0], [np.nan, np.inf]):
        (found,) = compare({"w": a}, {"w": np.array(other, np.float32)})
        assert found == Difference("w", np.inf, "other numbers are not finite")


def test_infinities_of_one_sign_are_equal():
    a, b = np.array([np.inf, 1.0]), np.array([np.inf, 1.5])
    assert compare({"w": a}, {"w": b})[0].relative == 0.5
    assert compare({"w": a}, {"w": -b})[0].relative == np.inf


def test_what_is_not_rounding_is_infinitely_far():
    cases = {
        "float32[3] became float64[3]": {"params_w": TREE["params"]["w"].astype(np.float64)},
        "float32[3] became float32[3,1]": {"params_w": TREE["params"]["w"][:, None]},
        "int32[] became int64[]": {"count": np.int64(7)},
        "other integers": {"count": np.int32(8)},
        "missing in the first run": {"more": np.zeros(1)},
    }
    for why, change in cases.items():
        (found,) = compare(FLAT, changed(**change))
        assert (found.relative, found.why) == (np.inf, why)
    (missing,) = compare(changed(more=np.zeros(1)), FLAT)
    assert str(missing) == "more: missing in the second run"
    (grown,) = compare({"w": np.zeros(2)}, {"w": np.array([0.0, 1e-9])})
    assert (grown.relative, grown.why) == (np.inf, "zeros became 1e-9")


def test_large_float16_and_bfloat16_do_not_overflow():
    for dtype in (np.float16, jax.numpy.bfloat16):
        a = np.array([6e4, 1.0], dtype)
        assert compare({"w": a}, {"w": -a})[0].relative == 2.0


def test_results_reach_another_process_bit_by_bit(tmp_path):
    tree = {"key": jax.random.key(5), "nan": np.float32(np.nan), "minus": np.float64(-0.0)}
    tree |= {"file": jax.numpy.arange(3), "nothing": np.zeros((0, 2), np.float16)}
    save_result(tmp_path, "result", tree)
    read = load_result(tmp_path, "result")
    assert compare(flatten(tree), read) == []
    assert read["key"].tolist() == jax.random.key_data(jax.random.key(5)).tolist()


RUN = {"w": np.array([1.0, 2.0], np.float32), "rows": np.uint32(9)}
MOVED = {**RUN, "w": np.array([1.0, 2.000002], np.float32)}  # eight units in the last place
ZERO = {"w": np.array([0.0, 1.0])}


def test_equal_bits_keep_either_promise():
    for within in (None, 1e-5):
        finding = promise("it", RUN, RUN, within=within)
        assert (finding.found, finding.kept, finding.relative) == ("equal bits", True, None)


def test_rounding_keeps_a_tolerance_and_breaks_equal_bits():
    assert promise("it", RUN, MOVED, within=1e-5)[1:4] == ("within 1e-5", "9.5e-7 in w", True)
    assert not promise("it", RUN, MOVED, within=1e-7).kept
    exact = promise("it", RUN, MOVED)
    assert exact[1:4] == ("equal bits", "9.5e-7 in w (1 of 2 leaves differ)", False)
    assert exact.leaf == "w"
    assert exact.relative == pytest.approx(8 * 2.0**-23)


def test_signs_of_zero_break_equal_bits_only():
    minus = {"w": np.array([-0.0, 1.0])}
    assert promise("it", ZERO, minus, within=1e-5).kept
    exact = promise("it", ZERO, minus)
    assert not exact.kept
    assert exact.found.startswith("w: signs of zeros or payloads of NaN")


def test_no_tolerance_covers_integers_or_missing_leaves():
    for other in ({**RUN, "rows": np.uint32(10)}, {"w": RUN["w"]}):
        finding = promise("it", RUN, other, within=1e9)
        assert (finding.kept, finding.relative) == (False, math.inf)


def test_the_worst_of_several_counts():
    assert promise("it", RUN, RUN, MOVED).kept is False
    assert promise("it", RUN, MOVED, {**RUN, "rows": np.uint32(10)}, within=1e-5).leaf == "rows"


def test_nothing_to_compare_is_refused():
    for results in ([{}, {}], [RUN]):
        with pytest.raises(ValueError, match="it: expected two results with leaves to compare"):
            promise("it", *results)
