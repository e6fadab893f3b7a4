import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax._checks import is_key
from paramjax.checkpoints import CheckpointStore, Keep
from paramjax.checkpoints import _inspect as look
from paramjax.checkpoints import _manifest as manifest
from paramjax.cli._main import main

ROOT = Path(__file__).parents[2]

DATA = {"x": np.ones((8, 2), np.float32), "y": np.ones(8, np.float32)}
PARAMS = {"w": np.zeros(2, np.float32), "deep": {"b": np.float32(0)}}


def loss_fn(params, batch, key):
    return ((batch["x"] @ params["w"] + params["deep"]["b"] - batch["y"]) ** 2).mean(), {}


@pytest.fixture(scope="module")
def fit():
    return lambda folder: pj.fit(
        pj.train_step(loss_fn, optax.adam(0.1), [pj.hooks.ema(0.5)]), PARAMS, DATA,
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


def flip(folder, step, name="history.npz"):
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
    assert "damaged: step_000000020: history.npz does not have the hash" in out


@pytest.mark.parametrize(
    ("place", "message"), [("empty", "holds no checkpoint"), ("x", "no folder")]
)
def test_a_folder_without_a_run_is_refused(tmp_path, capsys, place, message):
    (tmp_path / "empty").mkdir()
    assert call("inspect", tmp_path / place) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_checkpoint_with_one_bad_file_still_says_what_it_was(run, capsys):
    folder, fit = run
    flip(folder, 20)
    assert call("inspect", folder) == 1
    line = next(x for x in capsys.readouterr().out.splitlines() if x.split()[:1] == ["20"])
    assert f"loss {fit.history['loss'][-1]:.4g}" in line
    assert "damaged" in line


def test_it_says_what_is_kept_and_which_is_the_best(run, capsys):
    folder, fit = run
    assert call("inspect", folder) == 0
    out = capsys.readouterr().out
    best = fit.validation["step"][np.argmin(fit.validation["loss"])]
    assert [line.split()[0] for line in out.splitlines() if "best" in line] == [str(best), "kept:"]
    assert "kept: the last 3, and the best 0 besides" in out


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff", b'{"keep": 3}', b'{"keep": {"last": "x"}}']
)
def test_a_damaged_run_json_damages_no_checkpoint(run, capsys, content):
    folder, _ = run
    (folder / "run.json").write_bytes(content)
    assert call("inspect", folder) == 0
    assert "kept" not in capsys.readouterr().out


def test_numbers_that_are_not_finite_are_null_in_json(tmp_path, capsys):
    with CheckpointStore(tmp_path, identity={"limit": float("inf")}) as store:
        metrics = {"loss": np.array([np.nan])}
        store.save(1, PARAMS, metrics, {"step": np.array([1]), "loss": np.array([-np.inf])}, {})
    assert call("inspect", tmp_path, "--json") == 0
    (one,) = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert one["metrics"] == {"loss": None}
    assert one["validation"] == {"step": 1.0, "loss": None}
    assert one["identity"] == {"limit": None}


def test_a_later_format_is_said_beside_the_others(run, capsys):
    folder, _ = run
    path = folder / "step_000000020"
    body = {"format": 99, **manifest.read_manifest(path)._asdict()}
    (path / "manifest.json").write_bytes(manifest._rendered(body))
    assert call("inspect", folder) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "expected format 1, got 99; install the version of paramjax that wrote it" in out
    assert "good" in out


def test_a_run_that_saves_meanwhile_is_not_disturbed(tmp_path, capsys):
    """It holds the lock, has a folder half written, and removes what is being looked at."""
    names = lambda: sorted(path.name for path in tmp_path.iterdir())
    with CheckpointStore(tmp_path, identity={}, keep=Keep(last=1)) as store:
        store.save(1, PARAMS, {}, {}, {})
        store.wait()
        (tmp_path / "unfinished_step_000000002").mkdir()
        before = names()
        assert call("inspect", tmp_path) == 0
        assert names() == before
        for step in range(2, 12):
            store.save(step, PARAMS, {}, {}, {})
            assert call("inspect", tmp_path) in (0, 2)  # 2: the only one was just being replaced
    out = capsys.readouterr().out
    assert "damaged" not in out


def test_what_vanishes_while_it_is_looked_at_is_left_out(run, capsys, monkeypatch):
    folder, _ = run
    examine = look.examine

    def remove_first(path):
        if path.name == "step_000000010":
            shutil.rmtree(path)
        return examine(path)

    monkeypatch.setattr(look, "examine", remove_first)
    assert call("inspect", folder) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if "good" in line] == ["20"]


def test_what_vanishes_while_it_is_measured_is_left_out(run, capsys, monkeypatch):
    """Its name is taken from it after it was listed, before the folders below it are."""
    folder, _ = run
    measure, scandir = look._size, os.scandir

    def removed_first(path):
        if (parent := Path(path).parent).name == "step_000000010" and parent.exists():
            parent.rename(folder / "removed_step_000000010")
        return scandir(path)

    def measured(path):
        with monkeypatch.context() as patch:
            patch.setattr(os, "scandir", removed_first)
            return measure(path)

    monkeypatch.setattr(look, "_size", measured)
    assert call("inspect", folder) == 0
    assert (folder / "removed_step_000000010").is_dir()
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if "good" in line] == ["20"]


def test_no_device_is_started(run):
    folder, _ = run
    environment = {**os.environ, "JAX_PLATFORMS": "none_such", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "paramjax", "inspect", str(folder), "--leaves"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "params/deep/b" in done.stdout
