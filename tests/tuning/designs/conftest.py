"""A space of every kind, with conditions two deep."""

import pytest

import paramjax as pj


@pytest.fixture
def mixed():
    return {
        "rate": pj.log_uniform(1e-4, 1.0),
        "chain": pj.choice(["sgd", "momentum", "adam"]),
        "momentum": pj.conditional("chain", "momentum", pj.uniform(0.5, 1.0)),
        "nesterov": pj.conditional("chain", "momentum", pj.choice([True, False])),
        "delay": pj.conditional("nesterov", True, pj.integer(1, 4)),
        "b1": pj.conditional("chain", ["adam"], pj.choice([0.1, 0.9])),
        "b2": pj.conditional("b1", 0.9, pj.uniform(0.9, 1.0)),
    }


@pytest.fixture
def expected_names():
    """The names that a trial of `mixed` has, by hand."""

    def names(trial):
        found = {"rate", "chain"}
        if trial["chain"] == "momentum":
            found |= {"momentum", "nesterov"} | ({"delay"} if trial["nesterov"] else set())
        if trial["chain"] == "adam":
            found |= {"b1"} | ({"b2"} if trial["b1"] > 0.5 else set())
        return found

    return names
