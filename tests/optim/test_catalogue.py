"""Search spaces of the catalogue give nobody an advantage."""

import math

import pytest

from paramjax.optim import CATALOGUE

FAMILIES = [("momentum", "nesterov"), ("adam", "rmsprop", "adamw", "nadamw")]


def test_learning_rates_span_three_decades_each():
    for optimizer in CATALOGUE.values():
        rate = optimizer.space["learning_rate"]
        assert math.log10(rate.high / rate.low) == pytest.approx(3), optimizer.name


def test_the_learning_rate_alone_is_searched():
    assert all(list(row.space) == ["learning_rate"] for row in CATALOGUE.values())


@pytest.mark.parametrize("names", FAMILIES)
def test_kin_search_the_same_space(names):
    first, *others = [CATALOGUE[name].space for name in names]
    assert all(space == first for space in others)


def test_nothing_is_declared_that_nothing_needs():
    assert all((row.extra_args, row.schedule) == ((), "") for row in CATALOGUE.values())
