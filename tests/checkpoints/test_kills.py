import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from paramjax.checkpoints import Keep

# the operations of a save before each of which a kill may come
from paramjax.checkpoints import _folder as folder
from paramjax.checkpoints import _write as write

HERE = Path(__file__).parent


@pytest.fixture
def child(tmp_path):
    """Start a process that saves in a loop, and the step that it went on from."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-W", "error", HERE / "saves_in_a_loop.py", tmp_path / "run"]
    started = []

    def start():
        pipe = subprocess.PIPE
        child = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)
        started.append(child)
        line = child.stdout.readline()
        assert line, child.stderr.read()
        return child, int(line)

    yield start
    for child in started:
        child.kill()
        child.communicate()


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing_that_was_complete(child, tmp_path, entries):
    rng, hits = random.Random(0), 0
    for _ in range(4):
        complete = folder.steps_in(tmp_path / "run")
        running, step = child()  # it restores, and compares every number
        assert step == (complete or [0])[-1]
        time.sleep(rng.uniform(0.05, 0.4))
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL
        left = [name for name in entries(tmp_path / "run") if "_step_" in name]
        hits += bool(left)
        for step in folder.steps_in(tmp_path / "run"):
            folder.examine(folder.checkpoint(tmp_path / "run", step))
    assert hits, "no kill came during a save"


def test_the_next_start_removes_what_a_kill_left(open_store, save, tmp_path, entries):
    with open_store() as store:
        save(store, 1)
    run = tmp_path / "run"
    for name in ("unfinished_step_000000002", "removed_step_000000000"):
        (run / name).mkdir()
        (run / name / "arrays.safetensors").write_bytes(b"half")
    (run / "unfinished_run.json").write_text("{")
    (run / "notes.txt").write_text("mine")
    open_store().close()
    assert entries(run) == ["lock", "notes.txt", "run.json", "step_000000001"]


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """Copies of the run's folder as a kill would leave it, before each operation of a save."""
    taken, numbers = [], itertools.count()

    def before(module, name):
        operation = getattr(module, name)

        def photograph_first(*args, **kwargs):
            if (tmp_path / "run").is_dir():
                taken.append(tmp_path / f"photograph {next(numbers)} before {name}")
                shutil.copytree(tmp_path / "run", taken[-1], symlinks=True)
            return operation(*args, **kwargs)

        monkeypatch.setattr(module, name, photograph_first)

    for name in ("rename", "replace", "rmdir", "unlink", "fsync"):
        before(os, name)
    for name in ("write_arrays", "write_manifest", "describe_files"):
        before(write, name)
    return taken


@pytest.mark.parametrize(
    "saves",
    [[1, 2, 3], [1, 2, 2], [1, 3, 2], [2, 3, 1]],
    ids=["later", "same step", "going back", "going back to the first"],
)
def test_a_kill_between_any_two_operations_leaves_a_good_checkpoint(
    open_store, photographs, monkeypatch, saves, entries
):
    with open_store(keep=Keep(last=2)) as store:
        for version, step in enumerate(saves, start=1):
            store.wait()
            photographs.clear()
            store.save(step, {"version": np.int32(version)}, {}, {}, {})
    monkeypatch.undo()
    assert len(photographs) > 15
    versions = set()
    for photograph in photographs:
        with open_store(photograph) as store:
            saved = store.restore({"version": np.int32(0)})
        versions.add(int(saved.tree["version"]))
        assert saved.step == saves[saved.tree["version"] - 1]
        assert not [name for name in entries(photograph) if name[:5] in ("unfin", "remov", "repla")]
    assert versions == {len(saves) - 1, len(saves)}


def test_a_kill_while_a_start_cleans_up_is_as_good_as_none(tmp_path, monkeypatch):
    """A run at step 4 went back to 2, and was killed while it gave checkpoint 2 its name."""
    operations = {name: getattr(os, name) for name in ("rename", "rmdir", "unlink")}

    def perhaps(name, countdown):
        def operation(*args, **kwargs):
            if next(countdown) == 0:
                raise KeyboardInterrupt
            return operations[name](*args, **kwargs)

        return operation

    for killed_at in range(6):
        run = tmp_path / str(killed_at)
        for name in ("step_000000001", "replaced_step_000000004", "replaced_step_000000002",
                     "unfinished_step_000000002", "removed_step_000000000"):  # fmt: skip
            (run / name).mkdir(parents=True)
            (run / name / "file").write_text(name)
        countdown = itertools.count(killed_at, -1)
        with monkeypatch.context() as patch:
            for name in operations:
                patch.setattr(os, name, perhaps(name, countdown))
            with pytest.raises(KeyboardInterrupt):
                folder.clean(run)
        folder.clean(run)
        found = {path.parent.name: path.read_text() for path in run.glob("*/file")}
        assert found == {
            "step_000000001": "step_000000001",
            "step_000000002": "replaced_step_000000002",
            "step_000000004": "replaced_step_000000004",
        }
