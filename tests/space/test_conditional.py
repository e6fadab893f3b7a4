import itertools
import random

import numpy as np
import pytest

import paramjax as pj
from paramjax.space import Conditional, active, exists

UNIT = pj.uniform(0.0, 1.0)
DRAWN = {"rate": 0.5, "blocks": 7, "decay": 0.25}


@pytest.mark.parametrize(
    ("chain", "kind", "nesterov", "expected"),
    [
        (1, "none", True, {"rate", "chain", "kind"}),
        (1, "light", False, {"rate", "chain", "kind", "nesterov"}),
        (1, "heavy", True, {"rate", "chain", "kind", "nesterov", "decay"}),
        (2, "heavy", True, {"rate", "chain", "blocks"}),
        (3, "light", True, {"rate", "chain", "blocks"}),
        (4, "heavy", True, {"rate", "chain"}),
    ],
)
def test_what_hangs_on_an_absent_one_is_absent(tree, chain, kind, nesterov, expected):
    drawn = DRAWN | {"chain": chain, "kind": kind, "nesterov": nesterov}
    kept = active(tree, drawn)
    assert kept == {name: drawn[name] for name in expected}
    assert {name for name in tree if exists(tree, name, kept)} == expected
    assert active(tree, kept) == kept


def test_no_order_of_names_matters(tree):
    drawn = DRAWN | {"chain": 1, "kind": "heavy", "nesterov": False}
    shuffled = random.Random(0)
    for _ in range(20):
        names = shuffled.sample(list(tree), len(tree))
        space = {name: tree[name] for name in names}
        assert active(space, {n: drawn[n] for n in reversed(names)}) == active(tree, drawn)


def test_conditions_hold_for_values_that_were_rounded():
    space = {"b1": pj.choice([0.1, 0.9]), "b2": pj.conditional("b1", 0.9, UNIT)}
    for b1, written in itertools.product((0.1, 0.9), (True, False)):
        value = b1 if written else float(np.float32(b1))
        assert exists(space, "b2", {"b1": value}) is (b1 == 0.9)


def test_a_boolean_is_no_number():
    assert pj.conditional("a", True, UNIT).admits(True)
    assert not pj.conditional("a", 1, UNIT).admits(True)
    assert pj.conditional("a", np.int64(1), UNIT).admits(1)


@pytest.mark.parametrize(
    "inner", [UNIT, pj.log_uniform(0.1, 1), pj.choice(["a", "b"]), pj.integer(1, 9, log=True)]
)
def test_it_is_drawn_as_what_it_holds(inner):
    made = pj.conditional("chain", "sgd", inner)
    assert (made.static, made.logarithmic) == (inner.static, inner.logarithmic)
    assert [made.quantile(u / 9) for u in range(10)] == [inner.quantile(u / 9) for u in range(10)]


@pytest.mark.parametrize(
    ("values", "text"),
    [("sgd", "'sgd'"), (["a", "b"], "['a', 'b']"), ((2, 3), "[2, 3]"), ([(3, 3)], "[(3, 3)]")],
)
def test_it_is_written_as_it_is_made(values, text):
    assert str(pj.conditional("chain", values, UNIT)) == f"conditional('chain', {text}, {UNIT})"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3, "a", UNIT), TypeError, "the name of a hyperparameter for parent, got int 3"),
        (("p", "a", 0.1), TypeError, r"a distribution such as uniform\(0.0, 1.0\), got float 0.1"),
        (("p", [], UNIT), ValueError, "at least one value of 'p', got none"),
        (("p", ["a", "a"], UNIT), ValueError, r"distinct values of 'p', got \('a', 'a'\)"),
    ],
)
def test_bad_conditions_are_refused(arguments, error, message):
    with pytest.raises(error, match=f"^conditional: expected {message}"):
        pj.conditional(*arguments)


def test_conditions_nest_through_the_parent():
    inner = Conditional("q", ("b",), UNIT)
    with pytest.raises(TypeError, match="inside another condition; make 'p' conditional instead"):
        pj.conditional("p", "a", inner)
