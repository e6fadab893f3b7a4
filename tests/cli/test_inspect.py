import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from paramjax._checks import is_key
from paramjax.checkpoints import CheckpointStore, Keep
from paramjax.checkpoints import _inspect as inspection  # to remove a checkpoint while it is read
from paramjax.checkpoints import _manifest as manifest  # to write a later format

ROOT = Path(__file__).parents[2]


def flip(folder, step, name="history.safetensors"):
    file = folder / f"step_{step:09d}" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def rows(out, word):
    return [line for line in out.splitlines() if word in line]


def test_it_lists_the_checkpoints_with_their_metrics_and_which_are_kept(paramjax, run):
    folder, fit = run
    code, out, _ = paramjax("inspect", folder)
    assert code == 0
    good = rows(out, "good")
    assert [line.split()[0] for line in good] == ["3", "6", "9"]
    assert f"loss {fit.history['loss'][-1]:.4g}" in good[-1]
    assert f"val loss {fit.validation['loss'][-1]:.4g}" in good[-1]
    best = fit.validation["step"][np.argmin(fit.validation["loss"])]
    assert [line.split()[0] for line in rows(out, "best")] == [str(best), "kept:"]
    assert "kept: the last 3, and the best 0 besides" in out
    assert "2 are parameters (10 B)" in out


def test_it_lists_the_leaves(paramjax, run):
    lines = [line.split() for line in paramjax("inspect", run[0], "--leaves").out.splitlines()]
    leaves = {line[0]: line[1:] for line in lines if line}
    assert leaves["params/dense/w"] == ["float32[2]", "8", "B"]
    assert leaves["state/key"] == ["key<fry>[]", "8", "B"]


def test_a_single_checkpoint_and_json(paramjax, run):
    folder, fit = run
    (one,) = json.loads(paramjax("inspect", folder / "step_000000009", "--json").out)
    assert (one["step"], one["damage"]) == (9, None)
    assert one["metrics"]["loss"] == pytest.approx(float(fit.history["loss"][-1]))
    named = jax.tree_util.tree_leaves_with_path({"params": fit.params, "state": fit.state})
    assert len(one["leaves"]) == len(named)
    assert any(is_key(leaf) for _, leaf in named)


def test_a_damaged_checkpoint_is_named_beside_its_metrics(paramjax, run):
    folder, fit = run
    flip(folder, 9)
    code, out, _ = paramjax("inspect", folder)
    assert code == 1
    assert "damaged: step_000000009: history.safetensors does not have the hash" in " ".join(
        out.split()
    )
    (line,) = (line for line in rows(out, "damaged") if line.split()[0] == "9")
    assert f"loss {fit.history['loss'][-1]:.4g}" in line
    assert paramjax("inspect", folder, "--json").code == 1


@pytest.mark.parametrize(
    ("name", "message"), [("empty", "holds no checkpoint"), ("x", "not a folder")]
)
def test_a_folder_without_a_run_is_refused(paramjax, tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    code, _, err = paramjax("inspect", tmp_path / name)
    assert code == 2
    assert message in err


def test_a_damaged_run_json_damages_no_checkpoint(paramjax, run):
    for content in (b"", b"[]", b"\xff", b'{"keep": 3}', b'{"keep": {"last": "x"}}'):
        (run[0] / "run.json").write_bytes(content)
        code, out, _ = paramjax("inspect", run[0])
        assert code == 0
        assert "kept" not in out


def test_numbers_that_are_not_finite_are_null_in_json(paramjax, tmp_path):
    with CheckpointStore(tmp_path, identity={"limit": float("inf")}) as store:
        validation = {"step": np.array([1]), "loss": np.array([-np.inf])}
        store.save(1, {"w": np.zeros(2)}, {"loss": np.array([np.nan])}, validation, {})
    out = paramjax("inspect", tmp_path, "--json").out
    (one,) = json.loads(out, parse_constant=pytest.fail)
    assert one["metrics"] == {"loss": None}
    assert one["validation"] == {"step": 1.0, "loss": None}
    assert one["identity"] == {"limit": None}


def test_parameters_that_are_not_finite_are_said_so(paramjax, tmp_path):
    params = {"w\x1b[31m": np.array([1.0, np.inf]), "b": np.ones(1)}
    with CheckpointStore(tmp_path, identity={}) as store:
        store.save(9, {"params": params}, {"loss": np.ones(1)}, {}, {})
    code, out, _ = paramjax("inspect", tmp_path)
    assert code == 0
    (line,) = (line for line in rows(out, "finite") if line.split()[0] == "9")
    assert "good" not in line
    assert r"not finite: step_000000009: NaN or infinity in params/w\x1b[31m" in out
    (one,) = json.loads(paramjax("inspect", tmp_path, "--json")[1])
    assert one["nonfinite"] == ["params/w\x1b[31m"]


def test_a_later_format_is_said_beside_the_others(paramjax, run):
    path = run[0] / "step_000000009"
    body = {"format": 99, **manifest.read_manifest(path)._asdict()}
    (path / "manifest.json").write_bytes(manifest._rendered(body))
    code, out, _ = paramjax("inspect", run[0])
    assert code == 1
    message = "expected format 2, got 99; install the version of paramjax that wrote it"
    assert message in " ".join(out.split())
    assert len(rows(out, "good")) == 2


def test_a_run_that_saves_meanwhile_is_not_disturbed(paramjax, tmp_path):
    """It holds the lock, has a folder half written, and removes what is being looked at."""
    names = lambda: sorted(path.name for path in tmp_path.iterdir())
    save = lambda step: store.save(step, {"w": np.zeros(2)}, {}, {}, {})
    with CheckpointStore(tmp_path, identity={}, keep=Keep(last=1)) as store:
        save(1)
        store.wait()
        (tmp_path / "unfinished_step_000000002").mkdir()
        before = names()
        assert paramjax("inspect", tmp_path).code == 0
        assert names() == before
        for step in range(2, 12):
            save(step)
            code, out, _ = paramjax("inspect", tmp_path)
            assert code in (0, 2)  # 2: the only one was just being replaced
            assert "damaged" not in out


def test_what_vanishes_while_it_is_looked_at_is_left_out(paramjax, run, monkeypatch):
    folder, examine = run[0], inspection.examine

    def remove_first(path):
        if path.name == "step_000000003":
            shutil.rmtree(path)
        return examine(path)

    monkeypatch.setattr(inspection, "examine", remove_first)
    code, out, _ = paramjax("inspect", folder)
    assert code == 0
    assert [line.split()[0] for line in rows(out, "good")] == ["6", "9"]


def test_what_vanishes_while_it_is_measured_is_left_out(paramjax, run, monkeypatch):
    """It is renamed after it was listed, before its files are."""
    folder, measure, scandir = run[0], inspection._size, os.scandir

    def removed_first(path):
        if Path(path).name == "step_000000003" and Path(path).exists():
            Path(path).rename(folder / "removed_step_000000003")
        return scandir(path)

    def measured(path):
        with monkeypatch.context() as patch:
            patch.setattr(os, "scandir", removed_first)
            return measure(path)

    monkeypatch.setattr(inspection, "_size", measured)
    code, out, _ = paramjax("inspect", folder)
    assert code == 0
    assert (folder / "removed_step_000000003").is_dir()
    assert [line.split()[0] for line in rows(out, "good")] == ["6", "9"]


@pytest.mark.slow
def test_no_device_is_started(run):
    environment = {**os.environ, "JAX_PLATFORMS": "none_such", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "paramjax", "inspect", str(run[0]), "--leaves"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "params/dense/b" in done.stdout
