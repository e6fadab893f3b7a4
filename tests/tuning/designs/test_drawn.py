"""What holds for every design that draws."""

import jax
import numpy as np
import pytest
from scipy.stats import kstest, qmc

import paramjax as pj

DRAWN = pytest.mark.parametrize("design", [pj.tuning.sobol_design, pj.tuning.random_design])
SQUARE = {"a": pj.uniform(0.0, 1.0), "b": pj.log_uniform(1e-4, 1.0)}
KEY = jax.random.key(3)


def unit(trials):
    """The points of the square that the trials came from."""
    return np.array([[t["a"], 1 + np.log10(t["b"]) / 4] for t in trials]).clip(0, 1)


@DRAWN
@pytest.mark.parametrize("trials", [1, 3, 8])
def test_fewer_trials_are_the_first_of_more(design, trials, mixed):
    assert design(trials)(mixed, KEY) == design(9)(mixed, KEY)[:trials]


@DRAWN
def test_a_key_names_the_trials(design):
    assert design(5)(SQUARE, KEY) == design(5)(SQUARE, jax.random.key(3))
    assert design(5)(SQUARE, KEY) != design(5)(SQUARE, jax.random.key(4))


@DRAWN
def test_an_empty_space_gives_equal_trials(design):
    assert design(3)({}, KEY) == [{}, {}, {}]


@DRAWN
def test_only_what_exists_is_in_a_trial(design, mixed, expected_names):
    trials = design(256)(mixed, KEY)
    assert all(trial.keys() == expected_names(trial) for trial in trials)
    assert {frozenset(trial) for trial in trials} == {
        frozenset({"rate", "chain"} | more)
        for more in (set(), {"momentum", "nesterov"}, {"momentum", "nesterov", "delay"},
                     {"b1"}, {"b1", "b2"})
    }  # fmt: skip


@DRAWN
def test_conditions_change_no_other_dimension(design, mixed):
    bare = {name: getattr(d, "distribution", d) for name, d in mixed.items()}
    both = zip(design(32)(mixed, KEY), design(32)(bare, KEY), strict=True)
    assert all(trial.items() <= drawn.items() for trial, drawn in both)


@DRAWN
def test_numbers_are_rounded_to_float32(design):
    for value in (t["b"] for t in design(32)(SQUARE, KEY)):
        assert value == float(np.float32(value))


@DRAWN
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [({"trials": 0}, ValueError, "trials: expected a whole number from 1"),
     ({"trials": None}, TypeError, "trials: expected a whole number, got None"),
     ({"key": jax.random.PRNGKey(0)}, TypeError, "legacy PRNGKey"),
     ({"space": {"rate": 0.1}}, TypeError, "'rate' must be drawn from"),
     ({"space": {"learning_rate": pj.uniform(-1.0, -0.5)}}, ValueError, "learning_rate: expected")],
)  # fmt: skip
def test_bad_input_is_refused(design, change, error, message):
    def drawn(trials=2, space=SQUARE, key=KEY):
        return design(trials)(space, key)

    with pytest.raises(error, match=message):
        drawn(**change)


def test_sobol_points_are_those_of_scipy():
    seed = np.asarray(jax.random.key_data(KEY)).tolist()
    points = qmc.Sobol(2, rng=np.random.default_rng(seed)).random_base2(4)
    got = unit(pj.tuning.sobol_design(16)(SQUARE, KEY))
    np.testing.assert_allclose(got, points, atol=1e-6)  # float32 and its logarithm


@pytest.mark.parametrize("seed", range(5))
def test_sobol_fills_more_evenly_than_chance(seed):
    sobol, chance = (
        qmc.discrepancy(unit(design(64)(SQUARE, jax.random.key(seed))))
        for design in (pj.tuning.sobol_design, pj.tuning.random_design)
    )
    assert sobol < chance / 2


def test_random_draws_are_uniform_and_independent():
    """At one fixed key: no test of uniformity or correlation rejects at 1 %."""
    points = unit(pj.tuning.random_design(2000)(SQUARE, KEY))
    assert min(kstest(points[:, i], "uniform").pvalue for i in (0, 1)) > 0.01
    pairs = [points.T, (points[:-1, 0], points[1:, 0]), (points[:-1, 1], points[1:, 1])]
    assert max(abs(np.corrcoef(*pair)[0, 1]) for pair in pairs) < 2.58 / np.sqrt(2000)
