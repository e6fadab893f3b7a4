import pytest

import paramjax as pj
from paramjax.space import Conditional, check_space

UNIT = pj.uniform(0.0, 1.0)


@pytest.mark.parametrize(
    "drawn",
    [pj.uniform(-0.1, 0.1), pj.choice([0.1, -0.1]), pj.choice([0.1, -0.1, 0.2]),
     pj.integer(-1, 1), pj.conditional("chain", "a", pj.uniform(-0.1, 0.1))],
)  # fmt: skip
def test_a_learning_rate_does_not_reach_below_zero(drawn):
    with pytest.raises(ValueError, match="learning_rate: expected a number from 0"):
        check_space({"learning_rate": drawn, "chain": pj.choice(list("ab"))})


NO_NUMBER = Conditional("a", ("b",), 0.1)


@pytest.mark.parametrize(
    "drawn", [0.1, (0.1, 1.0), pj.uniform, NO_NUMBER, Conditional("a", ("b",), NO_NUMBER)]
)
def test_what_is_no_distribution_is_named(drawn):
    with pytest.raises(TypeError, match=r"'learning_rate' must be drawn from uniform\(...\), log_"):
        check_space({"learning_rate": drawn})
    with pytest.raises(TypeError, match="3 must be drawn from"):
        check_space({3: UNIT})


def test_a_list_is_no_space():
    with pytest.raises(TypeError, match="expected a search space such as .*, got list"):
        check_space([UNIT])


def test_a_tree_is_a_space(tree):
    assert check_space(tree) == tree
    assert list(check_space(tree)) == list(tree)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b": pj.conditional("chian", "sgd", UNIT)},
         "'b' depends on an unknown hyperparameter 'chian'; nearest: chain"),
        ({"b": pj.conditional("rate", 0.5, UNIT)},
         r"'b' depends on 'rate', which is continuous, uniform\(0, 1\); expected a choice or"),
        ({"b": pj.conditional("a", 0.5, UNIT), "a": pj.conditional("chain", "sgd", UNIT)},
         "'b' depends on 'a', which is continuous"),
        ({"b": pj.conditional("chain", ["sgd", "adma"], UNIT)},
         "'b' depends on 'chain' being 'adma', which choice.* never is; expected one of"),
        ({"b": pj.conditional("depth", [1, 5], UNIT)},
         r"'b' depends on 'depth' being 5, which integer\(1, 4\) never is"),
        ({"b": pj.conditional("depth", 1.0, UNIT)}, ".*being 1.0, which integer"),
        ({"b": pj.conditional("depth", True, UNIT)}, ".*being True, which integer"),
        ({"b": pj.conditional("depth", "1", UNIT)}, ".*being '1', which integer"),
        ({"b": pj.conditional("chain", 1e300, UNIT)}, ".*being 1e\\+300, which choice"),
        ({"b": pj.conditional("b", 1, pj.integer(1, 2))}, "'b' -> 'b' is a circle of conditions"),
        ({"a": pj.conditional("b", 1, pj.integer(1, 2)),
          "b": pj.conditional("c", 1, pj.integer(1, 2)),
          "c": pj.conditional("a", 1, pj.integer(1, 2))},
         "'a' -> 'b' -> 'c' -> 'a' is a circle of conditions; one of them must exist by itself"),
        ({"a": pj.conditional("b", 1, pj.integer(1, 2)),
          "b": pj.conditional("b", 1, pj.integer(1, 2))}, "'a' -> 'b' -> 'b' is a circle"),
    ],
)  # fmt: skip
def test_conditions_that_cannot_hold_are_refused(change, message):
    space = {"chain": pj.choice(["sgd", "adam"]), "depth": pj.integer(1, 4), "rate": UNIT}
    with pytest.raises(ValueError, match=f"^search space: {message}"):
        check_space(space | change)
