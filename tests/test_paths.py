from collections import namedtuple

import jax
import jax.numpy as jnp
import pytest

from paramjax import _paths as paths  # the patterns of by_path, frozen, penalties

Pair = namedtuple("Pair", ["fast", "slow"])
TREE = {
    "encoder": [{"kernel": jnp.ones(2), "bias": jnp.ones(1)}, {"kernel": jnp.ones(2)}],
    "head": Pair(fast=jnp.ones(1), slow=None),
}


def test_names_follow_dicts_lists_and_named_tuples():
    assert paths.leaf_names(TREE) == {
        "encoder": [
            {"kernel": "encoder/0/kernel", "bias": "encoder/0/bias"},
            {"kernel": "encoder/1/kernel"},
        ],
        "head": Pair(fast="head/fast", slow=None),
    }


@pytest.mark.parametrize(
    ("pattern", "count"),
    [(".*", 4), (".*kernel", 2), ("encoder/0/.*", 2), ("head/fast", 1), (".*(bias|fast)", 2)],
)
def test_a_pattern_matches_whole_names(pattern, count):
    assert sum(jax.tree.leaves(paths.matching(pattern, TREE))) == count


def test_a_part_of_a_name_is_not_enough():
    names = "encoder/0/bias, encoder/0/kernel, encoder/1/kernel, head/fast"
    with pytest.raises(ValueError, match=f"frozen: pattern 'kernel' matches no leaf.*{names}"):
        paths.matching("kernel", TREE, what="frozen")


def test_long_lists_of_leaves_are_cut():
    with pytest.raises(ValueError, match="leaves are 0, 1, .*, 19 and 30 more"):
        paths.matching("x", [jnp.ones(1)] * 50)


def test_a_lone_array_is_a_leaf_as_well():
    assert paths.matching(".*", jnp.ones(2)) is True


def test_patterns_are_read_while_tracing():
    frozen = jax.jit(lambda tree: jnp.array(jax.tree.leaves(paths.matching(".*bias", tree))))
    assert frozen(TREE).tolist() == [True, False, False, False]


def test_the_first_pattern_wins():
    chosen = paths.labels(["head/.*", ".*bias", ".*"], TREE)
    assert jax.tree.leaves(chosen) == [".*bias", ".*", ".*", "head/.*"]


def test_a_leaf_without_a_pattern_is_named():
    with pytest.raises(
        ValueError, match=r"leaf encoder/0/bias is matched by none of .*'head/\.\*'"
    ):
        paths.labels([".*kernel", "head/.*"], TREE)


def test_a_pattern_without_a_leaf_is_named():
    with pytest.raises(ValueError, match=r"pattern 'decoder/\.\*' matches no leaf"):
        paths.labels(["decoder/.*", ".*"], TREE)


def test_a_pattern_behind_a_more_general_one_is_named():
    with pytest.raises(
        ValueError, match=r"pattern '\.\*bias' matches is taken by a pattern before"
    ):
        paths.labels([".*", ".*bias"], TREE)


def test_what_is_no_regular_expression_is_refused():
    with pytest.raises(ValueError, match=r"l1: pattern '\(' is not a regular expression"):
        paths.check_pattern("(", what="l1")
    with pytest.raises(TypeError, match="expected a pattern such as .*, got int 3"):
        paths.check_pattern(3)
