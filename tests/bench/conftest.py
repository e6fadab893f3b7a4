"""A small problem with noise, and optimizers for it, good and bad."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj

ROWS = np.random.default_rng(0).normal(1.0, 1.0, (40, 2)).astype(np.float32)


def loss_fn(params, batch, key):
    return jnp.mean((params[None] - batch) ** 2), {}


def sgd(learning_rate):
    return optax.sgd(learning_rate)


def twin(learning_rate):
    return optax.sgd(learning_rate)


def slow(learning_rate):
    return optax.sgd(learning_rate * 1e-3)


def wrong(learning_rate):
    return optax.scale(learning_rate)


def broken(learning_rate):
    lost = optax.scale_by_schedule(lambda count: jnp.where(count < 3, 1.0, jnp.nan))
    return optax.chain(optax.sgd(learning_rate), lost)


for factory in (sgd, twin, slow, wrong, broken):
    factory.space = {"learning_rate": pj.log_uniform(0.05, 0.5)}


def start(key):
    return 0.1 * jax.random.normal(key, (2,)) - 1.0


@pytest.fixture(scope="session")
def problem() -> pj.Problem:
    return pj.Problem(init=start, data=ROWS, batch_size=4)


def comparison(problem, optimizers, **changed):
    """`pj.compare` at the smallest size."""
    rules = {"baseline": "sgd", "loss_fn": loss_fn, "replicates": 6, "trials": 2, "steps": 8}
    return pj.compare(problem, optimizers, **{**rules, "progress": False, **changed})
