import itertools
import tracemalloc

import jax
import numpy as np
import optax
import pytest
from scipy.stats import kstest, qmc

import paramjax as pj
from paramjax.space import active

UNIFORM = {"a": pj.uniform(0, 1)}
KEY = jax.random.key(3)
UNIT = pj.uniform(0.0, 1.0)
SQUARE = {"a": UNIT, "b": pj.log_uniform(1e-4, 1.0)}
MIXED = {
    "rate": pj.log_uniform(1e-4, 1.0),
    "chain": pj.choice(["sgd", "momentum", "adam"]),
    "momentum": pj.conditional("chain", "momentum", pj.uniform(0.5, 1.0)),
    "nesterov": pj.conditional("chain", "momentum", pj.choice([True, False])),
    "delay": pj.conditional("nesterov", True, pj.integer(1, 4)),
    "b1": pj.conditional("chain", ["adam"], pj.choice([0.1, 0.9])),
    "b2": pj.conditional("b1", 0.9, pj.uniform(0.9, 1.0)),
}
"""Every kind of distribution, with conditions two deep."""

BARE = {name: getattr(own, "distribution", own) for name, own in MIXED.items()}
BARE["b1"] = pj.choice([0.1, 0.9], static=True)  # as it is where another depends on it
"""The same without conditions."""

DRAWN = pytest.mark.parametrize("design", [pj.tuning.sobol_design, pj.tuning.random_design])


def names_of(trial):
    """The names that a trial of the mixed space has, by hand."""
    found = {"rate", "chain"}
    if trial["chain"] == "momentum":
        found |= {"momentum", "nesterov"} | ({"delay"} if trial["nesterov"] else set())
    if trial["chain"] == "adam":
        found |= {"b1"} | ({"b2"} if trial["b1"] > 0.5 else set())
    return found


def unit(trials):
    """The points of the square that the trials came from."""
    return np.array([[t["a"], 1 + np.log10(t["b"]) / 4] for t in trials]).clip(0, 1)


@DRAWN
def test_a_key_names_the_trials_and_fewer_are_the_first_of_more(design):
    assert design(5)(SQUARE, KEY) == design(5)(SQUARE, jax.random.key(3))
    assert design(5)(SQUARE, KEY) != design(5)(SQUARE, jax.random.key(4))
    for trials in (1, 3, 8):
        assert design(trials)(MIXED, KEY) == design(9)(MIXED, KEY)[:trials]
    assert design(3)({}, KEY) == [{}, {}, {}]


@DRAWN
def test_only_what_exists_is_in_a_trial(design):
    trials = design(256)(MIXED, KEY)
    assert all(trial.keys() == names_of(trial) for trial in trials)
    assert {frozenset(trial) for trial in trials} == {
        frozenset({"rate", "chain"} | more)
        for more in (set(), {"momentum", "nesterov"}, {"momentum", "nesterov", "delay"},
                     {"b1"}, {"b1", "b2"})
    }  # fmt: skip
    # conditions change no other dimension
    both = zip(trials[:32], design(32)(BARE, KEY), strict=True)
    assert all(trial.items() <= drawn.items() for trial, drawn in both)


@DRAWN
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [({"trials": 0}, ValueError, "trials: expected a whole number from 1"),
     ({"trials": None}, TypeError, "trials: expected a whole number, got None"),
     ({"key": jax.random.PRNGKey(0)}, TypeError, "legacy PRNGKey"),
     ({"space": {"rate": 0.1}}, TypeError, "'rate' must be drawn from"),
     ({"space": {"learning_rate": pj.uniform(-1.0, -0.5)}}, ValueError,
      "learning_rate: expected a number from 0")],
)  # fmt: skip
def test_bad_input_of_a_drawn_design_is_refused(design, change, error, message):
    def drawn(trials=2, space=SQUARE, key=KEY):
        return design(trials)(space, key)

    with pytest.raises(error, match=message):
        drawn(**change)


def test_sobol_points_are_those_of_scipy_rounded_to_float32():
    seed = np.asarray(jax.random.key_data(KEY)).tolist()
    points = qmc.Sobol(2, rng=np.random.default_rng(seed)).random_base2(4)
    trials = pj.tuning.sobol_design(16)(SQUARE, KEY)
    np.testing.assert_allclose(unit(trials), points, atol=1e-6)  # float32 and its logarithm
    assert all(t["b"] == float(np.float32(t["b"])) for t in trials)


def test_sobol_fills_more_evenly_than_chance():
    for seed in range(5):
        sobol, chance = (
            qmc.discrepancy(unit(design(64)(SQUARE, jax.random.key(seed))))
            for design in (pj.tuning.sobol_design, pj.tuning.random_design)
        )
        assert sobol < chance / 2


def test_random_draws_are_uniform_and_independent():
    """At one fixed key: no test of uniformity or correlation rejects at 1 %."""
    trials = pj.tuning.random_design(2000)(SQUARE, KEY)
    points = unit(trials)
    assert min(kstest(points[:, i], "uniform").pvalue for i in (0, 1)) > 0.01
    pairs = [points.T, (points[:-1, 0], points[1:, 0]), (points[:-1, 1], points[1:, 1])]
    assert max(abs(np.corrcoef(*pair)[0, 1]) for pair in pairs) < 2.58 / np.sqrt(2000)
    assert all(t["b"] == float(np.float32(t["b"])) for t in trials[:32])


def rows(trials):
    return [tuple(trial.values()) for trial in trials]


def test_a_grid_is_the_product_of_what_each_contributes():
    space = {"a": pj.choice(list("xyz")), "b": pj.integer(2, 5), "c": UNIT}
    trials = pj.tuning.grid(3)(space, KEY)
    assert rows(trials) == list(itertools.product("xyz", [2, 3, 4, 5], [0.0, 0.5, 1.0]))
    assert all(list(trial) == list(space) for trial in trials)
    assert trials == pj.tuning.grid({"c": 3})(space, jax.random.key(1))
    assert rows(pj.tuning.grid(2)({"a": pj.choice([[8], [8, 8]])}, KEY)) == [([8],), ([8, 8],)]
    assert pj.tuning.grid(2)({}, KEY) == [{}]


@pytest.mark.parametrize(
    ("drawn", "points", "expected"),
    [
        (pj.uniform(-1.0, 1.0), 2, [-1, 1]),
        (pj.uniform(-1.0, 3.0), 5, [-1, 0, 1, 2, 3]),
        (pj.log_uniform(1e-4, 1.0), 5, np.geomspace(1e-4, 1.0, 5)),
        (pj.integer(0, 10), 3, [0, 5, 10]),
        (pj.integer(1, 64, log=True), 7, [1, 2, 4, 8, 16, 32, 64]),
        (pj.integer(1, 3), 9, [1, 2, 3]),
    ],
)
def test_points_are_even_and_include_both_ends(drawn, points, expected):
    values = [trial["a"] for trial in pj.tuning.grid({"a": points})({"a": drawn}, KEY)]
    assert values == pytest.approx(np.array(expected, np.float32).tolist(), rel=1e-7)
    assert type(values[0]) is type(drawn.low)
    assert values == [float(np.float32(v)) for v in values]


@pytest.mark.parametrize("order", range(0, 5040, 1439))
def test_a_grid_is_every_combination_that_exists_once(order):
    names = next(itertools.islice(itertools.permutations(MIXED), order, None))
    space = {name: MIXED[name] for name in names}
    everything = pj.tuning.grid(2)({name: BARE[name] for name in names}, KEY)
    expected = {frozenset(active(space, trial).items()) for trial in everything}
    trials = pj.tuning.grid(2)(space, KEY)
    assert len(trials) == len(expected)
    assert {frozenset(trial.items()) for trial in trials} == expected
    # rates x (sgd, momentum x (delays or none), adam x (b1 without b2, b1 with each b2))
    some = pj.tuning.grid({"rate": 4, "momentum": 3, "b2": 5})(space, KEY)
    assert len(some) == 4 * (1 + 3 * (4 + 1) + (1 + 5))


def test_float32_makes_no_equal_trials():
    space = {"a": pj.choice([0.1, 0.1 + 1e-12]), "b": pj.uniform(1.0, 1.0 + 2**-23)}
    assert rows(pj.tuning.grid(9)(space, KEY)) == [
        (float(np.float32(0.1)), 1.0), (float(np.float32(0.1)), 1.0 + 2**-23),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("points", "error", "message"),
    [(1, ValueError, "points: expected a whole number from 2"),
     (2.0, TypeError, "points: expected a whole number, got float 2.0"),
     (True, TypeError, "points: expected a whole number, got bool True"),
     ({"a": 0}, ValueError, "points of 'a': expected a whole number from 2"),
     ({"a": None}, TypeError, "points of 'a': expected a whole number, got None"),
     ({}, ValueError, r"expected points for 'a', which is continuous, uniform\(0, 1\); give {'a'"),
     ({"aa": 3}, ValueError, "points for an unknown hyperparameter 'aa'; nearest: a"),
     ({"a": 3, "chain": 2}, ValueError, "points of 'chain': a choice contributes all its options"),
     ({"a": 3}, ValueError, "these are 6,442,450,944 trials, more than 10,000,000")],
)  # fmt: skip
def test_bad_points_are_refused(points, error, message):
    space = {"a": UNIT, "chain": pj.choice(list("ab")), "n": pj.integer(1, 2**30)}
    with pytest.raises(error, match=f"^grid: {message}"):
        pj.tuning.grid(points)(space, KEY)


@pytest.mark.parametrize(
    ("make", "trials"),
    [
        (lambda: pj.tuning.grid({"a": 2**30}), "1,073,741,824"),
        (lambda: pj.tuning.grid(2**30), "1,073,741,824"),
        (lambda: pj.tuning.grid({"a": 9_999_999})(UNIFORM | {"b": pj.integer(1, 3)}, KEY), "29,9"),
        (lambda: pj.tuning.grid(2)({"a": pj.integer(0, 2**30 - 1)}, KEY), "1,073,741,824"),
        (lambda: pj.tuning.grid(5000)(UNIFORM | {"b": pj.uniform(0, 1)}, KEY), "25,000,000"),
    ],
)
def test_a_grid_without_end_is_refused_before_it_takes_memory(make, trials):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"^grid: these are {trials}.* trials, more than"):
            make()
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_grid_of_what_is_no_space_is_refused():
    with pytest.raises(TypeError, match="'rate' must be drawn from"):
        pj.tuning.grid(2)({"rate": 0.1}, KEY)


def swept(trials, space):
    """The hyperparameters that a sweep trains, whatever it is given for trials."""
    loss = lambda params, batch, key: (params**2, {})
    problem = pj.Problem(init=lambda key: 0.0, data=np.zeros(1))
    layout = pj.Execution(layout=pj.populations.Layout(1))
    result = pj.sweep(
        lambda hp: pj.train_step(loss, optax.sgd(sum(hp.values()))),
        space, problem, trials=trials, seeds=1, steps=1, key=KEY, execution=layout,
    )  # fmt: skip
    return [record.hyperparameters for record in result.records]


CHAINS = {
    "momentum": pj.conditional("chain", 1, pj.uniform(0.0, 0.5)),
    "chain": pj.choice([1, 2], static=True),
}


def test_trials_may_be_listed_or_made_by_a_function():
    listed = [{"chain": 1, "momentum": np.float64(0.1)}, {"chain": np.int64(2)}]
    expected = [{"momentum": float(np.float32(0.1)), "chain": 1}, {"chain": 2}]
    assert swept(listed, CHAINS) == swept(lambda space, key: tuple(listed), CHAINS) == expected


@pytest.mark.parametrize(
    ("trials", "error", "message"),
    [(None, TypeError, "expected a number of trials, a design such as .*, or a list .*, got None"),
     (2.5, TypeError, "expected a number of trials, .*, got float 2.5"),
     (True, TypeError, "expected a number of trials, .*, got bool True"),
     (0, ValueError, "expected a whole number from 1"),
     ({"chain": 2}, TypeError, "expected a number of trials, .*, got dict"),
     (lambda space, key: None, TypeError, "expected a number of trials, .*, got None"),
     ([], ValueError, "expected at least one trial, got none"),
     ([{"chain": 2}, 3], TypeError, "trial 1: expected its hyperparameters, name -> value, got"),
     ([{"chian": 2}], ValueError, "trial 0: unknown hyperparameter 'chian'; nearest: chain"),
     ([{"momentum": 0.1}], ValueError, "trial 0: expected a value of 'chain', got"),
     ([{"chain": 1}], ValueError, "trial 0: expected a value of 'momentum', got"),
     ([{"chain": 2, "momentum": 0.1}], ValueError, "trial 0: 'momentum' does not exist there"),
     ([{"chain": 3}], ValueError, r"trial 0: 'chain' is 3, which choice\(\[1, 2\]\) never is"),
     ([{"chain": 1, "momentum": 0.6}], ValueError, "trial 0: 'momentum' is 0.6, which"),
     ([{"chain": 1, "momentum": "a"}], ValueError, "trial 0: 'momentum' is 'a', which")],
)  # fmt: skip
def test_trials_that_are_none_of_the_space_are_refused(trials, error, message):
    with pytest.raises(error, match=f"^trials: {message}"):
        swept(trials, CHAINS)


@pytest.mark.parametrize(
    "design",
    [
        pj.tuning.sobol_design(4), pj.tuning.random_design(9), pj.tuning.latin_design(4),
        pj.tuning.grid(2),
    ],
)  # fmt: skip
def test_structure_comes_as_it_is_written(design):
    """A trainer may look a static number up, or compare it; only traced ones are float32."""
    space = {"drop": pj.choice([0.1, 0.3], static=True), "rate": pj.choice([0.1, 0.3])}
    trials = design(space, jax.random.key(0))
    assert {trial["drop"] for trial in trials} == {0.1, 0.3}
    assert {trial["rate"] for trial in trials} == {float(np.float32(r)) for r in (0.1, 0.3)}


def test_listed_trials_give_the_options_that_they_equal():
    from paramjax.tuning.designs._design import tried

    space = {"drop": pj.choice([0.1, 0.3], static=True), "rate": pj.uniform(0.0, 1.0)}
    listed = [{"drop": np.float32(0.3), "rate": 0.3}]
    assert tried(listed, space, jax.random.key(0)) == [
        {"drop": 0.3, "rate": float(np.float32(0.3))}
    ]
