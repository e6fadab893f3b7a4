"""The command in this process, and one finished run to look into."""

import shutil
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.cli import main

DATA = {"x": np.ones((8, 2), np.float32), "y": np.ones(8, np.float32)}
PARAMS = {"dense": {"w": jnp.zeros(2), "b": jnp.zeros((), jnp.bfloat16)}}


class Ended(NamedTuple):
    code: int
    out: str
    err: str  # without the line breaks of a narrow terminal


@pytest.fixture
def paramjax(capsys, monkeypatch):
    """Run the command: `paramjax("list").out`."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["paramjax", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return Ended(exit_.value.code or 0, captured.out, " ".join(captured.err.split()))

    return run


def loss_fn(params, batch, key):
    predicted = batch["x"] @ params["dense"]["w"] + params["dense"]["b"].astype(jnp.float32)
    return ((predicted - batch["y"]) ** 2).mean(), {}


USERS_FILE = """
import jax, jax.numpy as jnp, optax
import paramjax as pj
from paramjax.bench.workloads import Workload

def loss_fn(params, batch, key):
    return ((params - batch) ** 2).mean(), {}

def rows(count):
    return lambda: 1 + jax.random.normal(jax.random.key(0), (count,))

def init(key):
    return jnp.zeros(())

tiny = Workload(
    name="tiny", init=init, loss_fn=loss_fn, data=rows(2000), batch_size=4,
    margin=0.02, margin_reason="a fiftieth of what there is to win",
)

def small():
    return Workload(name="small", init=init, loss_fn=loss_fn, data=rows(40), margin=0.01)

def twin():
    return Workload(name="tiny", init=init, loss_fn=loss_fn, data=rows(40), margin=0.01)

def error():
    return Workload(
        name="error", init=init, loss_fn=loss_fn, data=rows(40), metric="accuracy", margin=0.1
    )

nothing = None

def sign_error(learning_rate):
    return optax.scale(learning_rate)

sign_error.space = {"learning_rate": pj.log_uniform(0.01, 0.1)}

def raises(learning_rate):
    raise RuntimeError("[red]boom[/]")

def ignores(learning_rate, momentum):
    return optax.sgd(learning_rate)

ignores.space = {"learning_rate": pj.log_uniform(0.01, 0.1), "momentum": pj.uniform(0.1, 0.9)}

def bad_space(learning_rate):
    return optax.sgd(learning_rate)

bad_space.space = {"learning_rate": 0.1}
"""


@pytest.fixture(scope="session")
def mine(tmp_path_factory):
    """A user's file of optimizers and workloads, good and bad."""
    path = tmp_path_factory.mktemp("user") / "mine.py"
    path.write_text(USERS_FILE)
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    fit = pj.fit(
        pj.train_step(loss_fn, optax.adam(0.1), [pj.hooks.ema(0.5)]), PARAMS, DATA,
        key=jax.random.key(0), steps=9, checkpoints=pj.Checkpoints(folder, every=3),
        validation=pj.Validation(lambda p, b: loss_fn(p, b, None), DATA, every=3),
    )  # fmt: skip
    return folder, fit


@pytest.fixture
def run(finished, tmp_path):
    """A copy of a run's folder, with checkpoints of steps 3, 6 and 9, and its result."""
    folder, fit = finished
    shutil.copytree(folder, tmp_path / "run")
    return tmp_path / "run", fit
