"""Optimizers from a user's file, good and bad."""

from __future__ import annotations

from pathlib import Path

import pytest

USERS_FILE = """
import jax, jax.numpy as jnp, optax
import paramjax as pj

def good(learning_rate, momentum):
    return optax.sgd(learning_rate, momentum=momentum)

good.space = {"learning_rate": pj.log_uniform(1e-2, 1.0), "momentum": pj.uniform(0.8, 0.9)}

def plain(learning_rate):
    return optax.sgd(learning_rate)

def by_mapping(hp):
    return optax.sgd(hp["learning_rate"])

def structured(learning_rate, nesterov):
    return optax.sgd(learning_rate, momentum=0.9, nesterov=nesterov)

structured.space = {**good.space, "nesterov": pj.choice([True, False])}
del structured.space["momentum"]

def sign_error(learning_rate):
    return optax.scale(learning_rate)

sign_error.space = {"learning_rate": pj.log_uniform(1.0, 10.0)}

def nan(learning_rate):
    return optax.stateless(lambda updates, params: jax.tree.map(lambda u: u * jnp.nan, updates))

def raises(learning_rate):
    raise RuntimeError("no [bold]luck[/] today")

def wrong_shape(learning_rate):
    return optax.stateless(lambda updates, params: jax.tree.map(jnp.sum, updates))

def nothing(learning_rate):
    return None

def no_rate():
    return optax.sgd(0.1)

def branches(learning_rate):
    return optax.sgd(learning_rate if learning_rate < 0.1 else 0.1)

def bad_space(learning_rate):
    return optax.sgd(learning_rate)

bad_space.space = {"learning_rate": 0.1}

def late(learning_rate, mode):
    if mode == "broken":
        raise RuntimeError("only this mode fails")
    return optax.sgd(learning_rate)

def downhill(learning_rate):
    return optax.sgd(learning_rate)

downhill.space = {"learning_rate": pj.uniform(-1.0, 1.0)}

late.space = {"learning_rate": pj.uniform(0.01, 0.1), "mode": pj.choice(["works", "broken"])}
"""


@pytest.fixture(scope="session")
def users_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("user") / "mine.py"
    path.write_text(USERS_FILE)
    return path
