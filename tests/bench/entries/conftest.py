"""A small workload, and optimizers from users' files."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from paramjax.bench.entries import audit, find_entries
from paramjax.bench.workloads import Workload

ROWS = jax.random.normal(jax.random.key(7), (16, 6))
PARAMS = {"kernel": jnp.ones((6, 4)), "bias": jnp.zeros((1, 4))}


def loss_fn(params, batch, key):
    return jnp.mean((jnp.tanh(batch @ params["kernel"]) + params["bias"]) ** 2), {}


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


@pytest.fixture
def workload():
    return Workload(name="tanh", init=lambda key: PARAMS, loss_fn=loss_fn, data=ROWS)


@pytest.fixture
def entry(tmp_path):
    """The entry `mine` of a file with this text."""

    def go(text, head="import jax, jax.numpy as jnp, numpy as np, optax\nimport paramjax as pj\n"):
        (tmp_path / "mine.py").write_text(head + text)
        found, excluded = find_entries([f"{tmp_path}/mine.py:mine"])
        assert not excluded
        return found[0]

    return go


@pytest.fixture
def audited(workload, entry):
    """What is found in the optimizer `mine` of a file with this text."""
    return lambda text, **more: audit(workload, entry(text), 1.0, params=PARAMS, batch=ROWS, **more)
