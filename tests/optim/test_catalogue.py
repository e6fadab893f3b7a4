"""Search spaces of the catalogue give nobody an advantage."""

import math

import pytest

from paramjax.optim import CATALOGUE

FAMILIES = [("momentum", "nesterov"), ("adam", "rmsprop"), ("adamw", "nadamw")]


def test_learning_rates_span_three_decades_each():
    for optimizer in CATALOGUE.values():
        rate = optimizer.space["learning_rate"]
        assert math.log10(rate.high / rate.low) == pytest.approx(3), optimizer.name


def test_what_bears_one_name_has_one_range():
    shared = {}
    for optimizer in CATALOGUE.values():
        for name, distribution in optimizer.space.items():
            if name != "learning_rate":
                assert shared.setdefault(name, distribution) == distribution, optimizer.name
    assert set(shared) == {"weight_decay"}


@pytest.mark.parametrize("names", FAMILIES)
def test_kin_search_the_same_space(names):
    first, *others = [CATALOGUE[name].space for name in names]
    assert all(space == first for space in others)


def test_adam_and_adamw_differ_in_the_weight_decay_alone():
    adam, adamw = CATALOGUE["adam"].space, CATALOGUE["adamw"].space
    assert {n: d for n, d in adamw.items() if n != "weight_decay"} == adam
    assert "weight_decay" in adamw


def test_nothing_is_declared_that_nothing_needs():
    assert all((row.extra_args, row.schedule) == ((), "") for row in CATALOGUE.values())
