"""Search spaces of the catalogue give nobody an advantage."""

import math

import pytest

from paramjax.optim import CATALOGUE, STANDARD

FAMILIES = [
    ("momentum", "nesterov"),
    ("sgd", "momo", "schedule_free_sgd"),
    ("adam", "rmsprop", "adamw", "nadamw", "momo_adam", "schedule_free_adamw"),
    ("lion", "sign_sgd", "signum"),
]
NOTHING_LEFT = {"prodigy", "dadapt_adamw", "dog", "dowg", "cocob"}


def test_learning_rates_span_three_decades_each():
    for optimizer in CATALOGUE.values():
        if optimizer.name in NOTHING_LEFT:
            continue
        rate = optimizer.space["learning_rate"]
        assert math.log10(rate.high / rate.low) == pytest.approx(3), optimizer.name


def test_the_learning_rate_alone_is_searched():
    searched = {name: list(row.space) for name, row in CATALOGUE.items()}
    assert {name for name, names in searched.items() if not names} == NOTHING_LEFT
    assert all(names == ["learning_rate"] for names in searched.values() if names)


def test_the_standard_ones_are_the_first_of_the_list():
    assert list(CATALOGUE)[: len(STANDARD)] == list(STANDARD)
    assert len(STANDARD) == 9


@pytest.mark.parametrize("names", FAMILIES)
def test_kin_search_the_same_space(names):
    first, *others = [CATALOGUE[name].space for name in names]
    assert all(space == first for space in others)


def test_nothing_is_declared_that_nothing_needs():
    assert all((row.extra_args, row.schedule) == ((), "") for row in CATALOGUE.values())
