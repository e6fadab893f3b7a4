import subprocess
import sys

import jax
import numpy as np
import optax
import pytest
from scipy.stats import kstest

import paramjax as pj

KEY = jax.random.key(3)
UNIT = pj.uniform(0.0, 1.0)
SPACE = {
    "rate": pj.log_uniform(1e-4, 1.0),
    "chain": pj.choice(["sgd", "momentum", "adam"]),
    "momentum": pj.conditional("chain", "momentum", UNIT),
    "width": pj.integer(1, 6),
}


def latin(trials, space, key=KEY):
    return pj.tuning.latin_design(trials)(space, key)


def units(trials, names, key=KEY):
    """Quantiles of names, [trials, names]."""
    space = dict.fromkeys(names, UNIT)
    return np.array([[trial[name] for name in names] for trial in latin(trials, space, key)])


@pytest.mark.parametrize("trials", [1, 6, 7, 64])
def test_each_stratum_holds_one_trial(trials):
    for seed in range(5):
        points = units(trials, "abc", jax.random.key(seed))
        for column in points.T:
            # float32 may round a point onto the end of its stratum, by 6e-8
            strata = np.floor(np.clip(column * trials, 1e-6, trials - 1e-6)).astype(int)
            assert sorted(strata) == list(range(trials))


def test_neither_order_nor_other_names_change_what_is_drawn():
    drawn = latin(6, SPACE)
    backwards = latin(6, dict(reversed(SPACE.items())))
    assert drawn == backwards
    assert [list(trial) for trial in backwards] != [list(trial) for trial in drawn]
    extended = latin(6, {"nothing_reads_it": UNIT, **SPACE})
    assert all(own.items() <= more.items() for own, more in zip(drawn, extended, strict=True))
    for name in ("rate", "width"):
        alone = latin(6, {name: SPACE[name]})
        assert [trial[name] for trial in alone] == [trial[name] for trial in drawn]


def test_one_name_has_the_same_quantiles_in_every_range():
    narrow, wide = (latin(6, {"a": pj.uniform(0.0, top)}) for top in (1.0, 100.0))
    ratios = np.array([w["a"] / n["a"] for n, w in zip(narrow, wide, strict=True)])
    np.testing.assert_allclose(ratios, 100, rtol=1e-6)


def test_key_number_of_trials_and_name_each_name_the_draw():
    assert latin(6, SPACE) == latin(6, SPACE, jax.random.key(3))
    assert latin(6, SPACE) != latin(6, SPACE, jax.random.key(4))
    assert latin(6, SPACE) != latin(7, SPACE)[:6]
    a, b = units(6, "ab").T
    assert not np.array_equal(a, b)
    assert latin(3, {}) == [{}, {}, {}]


def test_another_process_draws_the_same():
    code = (
        "import jax, paramjax as pj; "
        "print(pj.tuning.latin_design(3)({'a': pj.uniform(0.0, 1.0)}, jax.random.key(3)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(latin(3, {"a": UNIT}))


def test_every_trial_is_uniform_and_names_are_independent():
    """Over 2,000 names no test of uniformity or correlation rejects at 1 %."""
    points = units(6, [f"name {n}" for n in range(2000)])
    assert min(kstest(trial, "uniform").pvalue for trial in points) > 0.01 / 6
    pairs = [(trial[:-1], trial[1:]) for trial in points]
    assert max(abs(np.corrcoef(*pair)[0, 1]) for pair in pairs) < 3.1 / np.sqrt(2000)  # 1 % of six
    # two trials of one name never share a stratum: a correlation of -1 / (trials - 1)
    # times the share of the variance that lies between strata, 1 - 1 / trials**2
    expected = -(1 - 1 / 36) / 5
    assert abs(np.corrcoef(points[0], points[1])[0, 1] - expected) < 2.6 / np.sqrt(2000)


def test_the_mean_varies_as_little_as_stratification_promises():
    """Var of the mean of a uniform is 1 / (12 T**3), not 1 / (12 T)."""
    means = units(6, [f"name {n}" for n in range(2000)]).mean(axis=0)
    assert np.var(means) == pytest.approx(1 / (12 * 6**3), rel=0.1)  # three deviations


def test_choices_are_balanced():
    for seed in range(8):
        trials = latin(
            6, {"a": pj.choice(list("xyz")), "b": pj.choice(list("wxyz"))}, jax.random.key(seed)
        )
        assert sorted(trial["a"] for trial in trials) == list("xxyyzz")
        counts = [sum(trial["b"] == option for trial in trials) for option in "wxyz"]
        assert set(counts) <= {1, 2}


def test_only_what_exists_is_in_a_trial():
    trials = latin(30, SPACE)
    assert all(("momentum" in t) == (t["chain"] == "momentum") for t in trials)
    bare = latin(30, {**SPACE, "momentum": UNIT})
    assert all(t.items() <= b.items() for t, b in zip(trials, bare, strict=True))
    assert all(t["rate"] == float(np.float32(t["rate"])) for t in trials)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [({"trials": 0}, ValueError, "trials: expected a whole number from 1"),
     ({"trials": None}, TypeError, "trials: expected a whole number, got None"),
     ({"key": jax.random.PRNGKey(0)}, TypeError, "legacy PRNGKey"),
     ({"space": {"rate": 0.1}}, TypeError, "'rate' must be drawn from")],
)  # fmt: skip
def test_bad_input_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        latin(**{"trials": 2, "space": SPACE, "key": KEY, **change})


def test_a_sweep_takes_it():
    loss = lambda params, batch, key: (params**2, {})
    problem = pj.Problem(init=lambda key: 0.0, data=np.zeros(1))
    result = pj.sweep(
        lambda hp: pj.train_step(loss, optax.sgd(hp["rate"])), {"rate": UNIT}, problem,
        trials=pj.tuning.latin_design(2), seeds=1, steps=1, key=KEY,
    )  # fmt: skip
    assert sorted(record.hyperparameters["rate"] > 0.5 for record in result.records) == [0, 1]
