import json

import jax
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.checks import is_key
from paramjax.cli.main import main

DATA = {"x": np.ones((8, 2), np.float32), "y": np.ones(8, np.float32)}
PARAMS = {"w": np.zeros(2, np.float32), "deep": {"b": np.float32(0)}}


def loss_fn(params, batch, key):
    return ((batch["x"] @ params["w"] + params["deep"]["b"] - batch["y"]) ** 2).mean(), {}


@pytest.fixture(scope="module")
def fit():
    return lambda folder: pj.fit(
        pj.train_step(loss_fn, optax.adam(0.1), [pj.ema(0.5)]), PARAMS, DATA,
        key=jax.random.key(0), steps=20, checkpoint_dir=folder, checkpoint_every=10,
        validation=pj.Validation(lambda p, b: loss_fn(p, b, None), DATA, every=10),
    )  # fmt: skip


@pytest.fixture
def run(fit, tmp_path):
    folder = tmp_path / "run"
    return folder, fit(folder)


def call(*words):
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    return caught.value.code


def flip(folder, step, name="series.npz"):
    file = folder / f"step_{step:09d}" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_it_lists_the_checkpoints_with_their_metrics(run, capsys):
    folder, fit = run
    assert call("inspect", folder) == 0
    out = capsys.readouterr().out
    first, last = (line for line in out.splitlines() if "good" in line)
    assert first.split()[0] == "10"
    assert last.split()[0] == "20"
    assert f"loss {fit.history['loss'][-1]:.4g}" in last
    assert f"val loss {fit.validation['loss'][-1]:.4g}" in last
    assert "2 are parameters (12 B)" in out


def test_it_lists_the_leaves(run, capsys):
    folder, _ = run
    assert call("inspect", folder, "--leaves") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    lines = {row[0]: row[1:] for row in rows if row}
    assert lines["params/w"] == ["float32[2]", "8", "B"]
    assert lines["state/key"] == ["key<fry>[]", "8", "B"]


def test_a_single_checkpoint_and_json(run, capsys):
    folder, fit = run
    assert call("inspect", folder / "step_000000020", "--json") == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["step"], one["damage"]) == (20, None)
    assert one["metrics"]["loss"] == pytest.approx(float(fit.history["loss"][-1]))
    named = jax.tree_util.tree_leaves_with_path({"params": fit.params, "state": fit.state})
    assert len(one["leaves"]) == len(named)
    assert any(is_key(leaf) for _, leaf in named)


def test_damage_is_named(run, capsys):
    folder, _ = run
    flip(folder, 20)
    assert call("inspect", folder) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "damaged: step_000000020: series.npz does not have the hash" in out


@pytest.mark.parametrize(
    ("place", "message"), [("empty", "holds no checkpoint"), ("x", "no folder")]
)
def test_a_folder_without_a_run_is_refused(tmp_path, capsys, place, message):
    (tmp_path / "empty").mkdir()
    assert call("inspect", tmp_path / place) == 2
    assert message in " ".join(capsys.readouterr().err.split())
