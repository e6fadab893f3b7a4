"""A save holds the run up for the copy alone, and nothing is lost at the end."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from paramjax.checkpoints import CheckpointStore, RunInUse
from paramjax.checkpoints import _write as write
from paramjax.checkpoints._folder import steps_in

ROOT = Path(__file__).parents[2]


@pytest.fixture
def gate(monkeypatch):
    """Saves wait here, after the copy and before the first file."""
    opened, history = threading.Event(), write.write_history

    def wait_first(*args):
        assert opened.wait(60)
        return history(*args)

    monkeypatch.setattr(write, "write_history", wait_first)
    yield opened
    opened.set()


def test_the_run_goes_on_while_files_are_written(open_store, gate, tmp_path):
    store = open_store()
    store.save(1, {"w": np.ones(3)}, {}, {}, {})  # it returns though no file can be written
    assert steps_in(tmp_path / "run") == []
    gate.set()
    store.wait()
    assert steps_in(tmp_path / "run") == [1]


def test_ctrl_c_while_a_save_is_waited_for_leaves_the_folder_to_it(
    open_store, gate, tmp_path, monkeypatch
):
    store = open_store()
    store.save(1, {"w": np.ones(3)}, {}, {}, {})

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.close()
    with pytest.raises(RunInUse):
        open_store()
    gate.set()
    store.close()
    assert open_store().restore({"w": np.zeros(3)}).step == 1


def test_an_error_of_the_run_does_not_cost_the_save(tmp_path):
    def run():
        with CheckpointStore(tmp_path, identity={}, program="") as store:
            store.save(1, {"w": np.ones(3)}, {}, {}, {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert steps_in(tmp_path) == [1]


def python(code, *words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-W", "error", "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def test_importing_the_package_loads_no_orbax():
    heavy = "{'orbax', 'tensorstore', 'safetensors'}"
    code = f"import sys, paramjax.checkpoints; print(*sorted({heavy} & set(sys.modules)))"
    done = python(code)
    assert (done.stdout, done.stderr) == ("\n", "")
