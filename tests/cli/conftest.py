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
