"""Search spaces of the catalogue give nobody an advantage."""

import math

import jax.numpy as jnp
import numpy as np
import optax
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


@pytest.mark.parametrize(("name", "decay"), [("adamw", 0.01), ("nadamw", 0.01), ("lion", 0.1)])
def test_weights_decay_as_in_optax(name, decay):
    params, grads = jnp.array([1.0, -2.0]), jnp.array([0.5, 0.25])
    pair = (CATALOGUE[name].factory(0.1), getattr(optax, name)(0.1, weight_decay=decay))
    updates = [tx.update(grads, tx.init(params), params)[0] for tx in pair]
    np.testing.assert_allclose(*updates, rtol=1e-6)


def test_nothing_is_declared_that_nothing_needs():
    assert all((row.extra_args, row.schedule) == ((), "") for row in CATALOGUE.values())
