import itertools

import jax
import numpy as np
import pytest

import paramjax as pj
from paramjax.space import active

KEY = jax.random.key(0)
UNIT = pj.uniform(0.0, 1.0)


def rows(trials):
    return [tuple(trial.values()) for trial in trials]


def test_it_is_the_product_of_what_each_contributes():
    space = {"a": pj.choice("xyz"), "b": pj.integer(2, 5), "c": UNIT}
    trials = pj.tuning.grid(3)(space, KEY)
    assert rows(trials) == list(itertools.product("xyz", [2, 3, 4, 5], [0.0, 0.5, 1.0]))
    assert all(list(trial) == list(space) for trial in trials)
    assert trials == pj.tuning.grid({"c": 3})(space, jax.random.key(1))


@pytest.mark.parametrize(
    ("drawn", "points", "expected"),
    [
        (pj.uniform(-1.0, 1.0), 2, [-1, 1]),
        (pj.uniform(-1.0, 3.0), 5, [-1, 0, 1, 2, 3]),
        (pj.log_uniform(1e-4, 1.0), 5, np.geomspace(1e-4, 1.0, 5)),
        (pj.integer(0, 10), 3, [0, 5, 10]),
        (pj.integer(1, 10), 4, [1, 4, 7, 10]),
        (pj.integer(1, 64, log=True), 7, [1, 2, 4, 8, 16, 32, 64]),
        (pj.integer(1, 3), 9, [1, 2, 3]),
    ],
)
def test_points_are_even_and_include_both_ends(drawn, points, expected):
    values = [trial["a"] for trial in pj.tuning.grid({"a": points})({"a": drawn}, KEY)]
    assert values == pytest.approx(np.array(expected, np.float32).tolist(), rel=1e-7)
    assert type(values[0]) is type(drawn.low)
    assert values == [float(np.float32(v)) for v in values]


def test_conditions_expand_only_where_they_hold(mixed):
    """Rates x (sgd, momentum x (delays or none), adam x (b1 without b2, b1 with each b2))."""
    trials = pj.tuning.grid({"rate": 4, "momentum": 3, "b2": 5})(mixed, KEY)
    assert len(trials) == 4 * (1 + 3 * (4 + 1) + (1 + 5))


@pytest.mark.parametrize("order", range(0, 5040, 719))
def test_it_is_every_combination_that_exists_once(mixed, order):
    names = next(itertools.islice(itertools.permutations(mixed), order, None))
    space = {name: mixed[name] for name in names}
    bare = {name: getattr(d, "distribution", d) for name, d in space.items()}
    everything = pj.tuning.grid(2)(bare, KEY)
    expected = {frozenset(active(space, trial).items()) for trial in everything}
    trials = pj.tuning.grid(2)(space, KEY)
    assert len(trials) == len(expected)
    assert {frozenset(trial.items()) for trial in trials} == expected


def test_float32_makes_no_equal_trials():
    space = {"a": pj.choice([0.1, 0.1 + 1e-12]), "b": pj.uniform(1.0, 1.0 + 2**-23)}
    assert rows(pj.tuning.grid(9)(space, KEY)) == [
        (float(np.float32(0.1)), 1.0), (float(np.float32(0.1)), 1.0 + 2**-23),
    ]  # fmt: skip


def test_options_need_no_hash():
    assert rows(pj.tuning.grid(2)({"a": pj.choice([[8], [8, 8]])}, KEY)) == [
        ([8],),
        ([8, 8],),
    ]


def test_an_empty_space_has_one_trial():
    assert pj.tuning.grid(2)({}, KEY) == [{}]


def test_more_trials_than_can_be_held_are_refused_before_they_are_made():
    space = {"a": pj.integer(1, 2**31 - 1), "b": UNIT}
    with pytest.raises(ValueError, match="these are 6,442,450,941 trials, more than 10,000,000"):
        pj.tuning.grid(3)(space, KEY)


@pytest.mark.parametrize(
    ("points", "error", "message"),
    [(1, ValueError, "grid: points: expected a whole number from 2"),
     (2.0, TypeError, "grid: points: expected a whole number, got float 2.0"),
     (True, TypeError, "grid: points: expected a whole number, got bool True"),
     ({"a": 0}, ValueError, "grid: points of 'a': expected a whole number from 2"),
     ({"a": None}, TypeError, "grid: points of 'a': expected a whole number, got None")],
)  # fmt: skip
def test_bad_points_are_refused(points, error, message):
    with pytest.raises(error, match=message):
        pj.tuning.grid(points)


@pytest.mark.parametrize(
    ("points", "message"),
    [({}, r"expected points for 'rate', which is continuous, uniform\(0, 1\); give {'rate': 5}"),
     ({"rat": 3}, "points for an unknown hyperparameter 'rat'; nearest: rate"),
     ({"rate": 3, "chain": 2}, "points of 'chain': a choice contributes all its options")],
)  # fmt: skip
def test_points_that_do_not_fit_the_space_are_refused(points, message):
    with pytest.raises(ValueError, match=f"^grid: {message}"):
        pj.tuning.grid(points)({"rate": UNIT, "chain": pj.choice("ab")}, KEY)
    with pytest.raises(TypeError, match="'rate' must be drawn from"):
        pj.tuning.grid(points)({"rate": 0.1}, KEY)
