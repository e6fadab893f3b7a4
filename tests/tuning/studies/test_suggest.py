import math

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

import paramjax as pj

# a search shows what is suggested, and not by which call
from paramjax.tuning.studies._study import categories, suggested


def relu(x):
    return x


class Squared:
    """A distribution of the user's own: the square of a uniform draw."""

    static = logarithmic = False

    def quantile(self, u):
        return u**2


def drawn(space, trials=20):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    asked = [study.ask() for _ in range(trials)]
    return asked, [suggested(trial, space) for trial in asked]


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (pj.uniform(0.1, 0.7), FloatDistribution(0.1, 0.7)),
        (pj.log_uniform(1e-4, 1.0), FloatDistribution(1e-4, 1.0, log=True)),
        (pj.integer(-3, 5), IntDistribution(-3, 5)),
        (pj.integer(1, 64, log=True), IntDistribution(1, 64, log=True)),
        (pj.choice([0.9, 0.99]), CategoricalDistribution([0.9, 0.99])),
        (pj.choice(["a", None, True]), CategoricalDistribution(["a", None, True])),
        (pj.choice([relu, (3, 3)]), CategoricalDistribution(["0: relu", "1: (3, 3)"])),
        (Squared(), FloatDistribution(0.0, 1.0)),
    ],
    ids=["uniform", "log_uniform", "integer", "integer_log", "numbers", "mixed", "labels", "own"],
)
def test_a_distribution_is_stored_as_what_it_is(distribution, expected):
    asked, tried = drawn({"value": distribution})
    assert {trial.distributions["value"] for trial in asked} == {expected}
    assert all(list(hp) == ["value"] for hp in tried)


def test_numbers_are_what_the_trainings_see():
    asked, tried = drawn({"rate": pj.log_uniform(1e-4, 1.0), "depth": pj.integer(1, 4)})
    for trial, hp in zip(asked, tried, strict=True):
        assert hp["rate"] == float(np.float32(trial.params["rate"]))
        assert type(hp["depth"]) is int
        assert math.isclose(hp["rate"], trial.params["rate"], rel_tol=1e-7)


def test_options_that_cannot_be_stored_come_back():
    options = [relu, max, (3, 3), [1]]
    _, tried = drawn({"option": pj.choice(options)}, trials=40)
    seen = [hp["option"] for hp in tried]
    assert all(any(one is option for option in options) for one in seen)
    assert all(any(one is option for one in seen) for option in options)


def test_labels_are_equal_in_every_process():
    assert categories([lambda: 0, object()]) == ["0: <lambda>", "1: object object"]
    assert all(len(label) <= 40 for label in categories([tuple(range(99)), ()]))


def test_what_does_not_exist_is_not_suggested():
    """Three levels, of which the deepest stands first in the space."""
    space = {
        "nesterov": pj.conditional("kind", "heavy", pj.choice([True, False])),
        "kind": pj.conditional("chain", 1, pj.choice(["light", "heavy"])),
        "chain": pj.choice([1, 2]),
        "decay": pj.conditional("chain", 2, pj.uniform(0.0, 1.0)),
    }
    asked, tried = drawn(space, trials=30)
    assert {tuple(hp) for hp in tried} == {
        ("kind", "chain"), ("nesterov", "kind", "chain"), ("chain", "decay"),
    }  # fmt: skip
    assert all(set(trial.params) == set(hp) for trial, hp in zip(asked, tried, strict=True))


def test_the_value_of_a_parent_may_be_a_float():
    """0.1 is rounded before it is compared."""
    space = {"a": pj.choice([0.1, 0.2]), "b": pj.conditional("a", 0.1, pj.uniform(0.0, 1.0))}
    _, tried = drawn(space)
    assert all(("b" in hp) == (hp["a"] < 0.15) for hp in tried)
    assert {len(hp) for hp in tried} == {1, 2}


def test_another_space_is_refused_by_name():
    study = optuna.create_study()
    suggested(study.ask(), {"chain": pj.choice(["a", "b"])})
    with pytest.raises(ValueError, match=r"cannot suggest 'chain' from choice\(\['a'\]\)"):
        suggested(study.ask(), {"chain": pj.choice(["a"])})
    with pytest.raises(ValueError, match="different distribution kind"):
        suggested(study.ask(), {"chain": pj.uniform(0.0, 1.0)})
