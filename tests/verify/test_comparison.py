"""Two results are equal to the bit, or it is said where they differ and by how much."""

import jax
import numpy as np
import pytest

from paramjax.verify import Difference, compare, flatten, largest
from paramjax.verify._results import load_result, save_result

TREE = {"params": {"w": np.array([4.0, -2.0, 0.5], np.float32)}, "count": np.int32(7)}


def flat(**changes):
    return {**flatten(TREE), **{n.replace("_", "/"): np.asarray(v) for n, v in changes.items()}}


def flipped(array, bit):
    """The array with one bit of its first element changed."""
    bits = array.copy().view(np.uint32)
    bits[0] ^= np.uint32(1 << bit)
    return bits.view(np.float32)


def test_equal_trees_differ_nowhere():
    assert compare(flat(), flat()) == []
    assert largest(compare(flat(), flat())) is None


@pytest.mark.parametrize(("bit", "relative"), [(0, 2.0**-23), (22, 0.5), (31, 2.0)])
def test_one_flipped_bit_is_found_with_its_size(bit, relative):
    """4.0 moves by one unit in the last place, by half of itself, or to the other side."""
    (found,) = compare(flat(), flat(params_w=flipped(TREE["params"]["w"], bit)))
    assert found == Difference("params/w", relative)


def test_a_difference_is_relative_to_the_largest_number_of_its_leaf():
    a = {"w": np.array([100.0, 1e-6])}
    (found,) = compare(a, {"w": np.array([100.0, 2e-6])})
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


def test_minus_zero_has_other_bits_at_no_distance():
    (found,) = compare({"w": np.array([0.0, 1.0])}, {"w": np.array([-0.0, 1.0])})
    assert (found.relative, str(found)) == (0.0, "w: signs of zeros or payloads of NaN")


def test_what_is_not_rounding_is_infinitely_far():
    cases = {
        "float32[3] became float64[3]": {"params_w": TREE["params"]["w"].astype(np.float64)},
        "float32[3] became float32[3,1]": {"params_w": TREE["params"]["w"][:, None]},
        "int32[] became int64[]": {"count": np.int64(7)},
        "other whole numbers": {"count": np.int32(8)},
        "missing in the first run": {"more": np.zeros(1)},
    }
    for why, change in cases.items():
        (found,) = compare(flat(), flat(**change))
        assert (found.relative, found.why) == (np.inf, why)
    (missing,) = compare(flat(more=np.zeros(1)), flat())
    assert str(missing) == "more: missing in the second run"
    (grown,) = compare({"w": np.zeros(2)}, {"w": np.array([0.0, 1e-9])})
    assert (grown.relative, grown.why) == (np.inf, "zeros became 1e-9")


def test_large_float16_and_bfloat16_do_not_overflow():
    for dtype in (np.float16, jax.numpy.bfloat16):
        a = np.array([6e4, 1.0], dtype)
        assert compare({"w": a}, {"w": -a})[0].relative == 2.0


def test_the_largest_is_what_is_farthest_from_rounding():
    differences = [Difference("a", 1e-7), Difference("b", np.inf, "missing"), Difference("c", 0.0)]
    assert largest(differences).leaf == "b"


def test_results_reach_another_process_bit_by_bit(tmp_path):
    tree = {"key": jax.random.key(5), "nan": np.float32(np.nan), "minus": np.float64(-0.0)}
    tree |= {"file": jax.numpy.arange(3), "nothing": np.zeros((0, 2), np.float16)}
    save_result(tmp_path, "it", tree)
    read = load_result(tmp_path, "it")
    assert compare(flatten(tree), read) == []
    assert read["key"].tolist() == jax.random.key_data(jax.random.key(5)).tolist()
