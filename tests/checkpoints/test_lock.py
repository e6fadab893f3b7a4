import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

# the lock itself, whose file may be damaged; stores hold one
from paramjax._locks import FolderLock
from paramjax.checkpoints import RunInUse

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from paramjax._locks import FolderLock
lock = FolderLock("folder", Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLD, tmp_path]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.communicate()


def test_a_second_run_is_told_who_holds_the_folder_until_that_is_killed(
    holder, open_store, tmp_path
):
    host = re.escape(socket.gethostname())
    message = f"{tmp_path} is in use by another run .process {holder.pid} on {host}, since .*wait"
    with pytest.raises(RunInUse, match=message):
        open_store(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    open_store(tmp_path)


def test_a_refused_run_changes_nothing(open_store, save, tmp_path, entries):
    store = open_store()
    save(store, 1)
    run = tmp_path / "run"
    (run / "unfinished_step_000000002").mkdir()  # as the run that holds the folder makes it
    before = (run / "lock").read_text(), (run / "run.json").read_text()
    with pytest.raises(RunInUse):
        open_store(identity={"another": 1})
    assert before == ((run / "lock").read_text(), (run / "run.json").read_text())
    assert "unfinished_step_000000002" in entries(run)


def test_a_folder_whose_lock_cannot_be_read_is_in_use_all_the_same(tmp_path):
    lock = FolderLock("folder", tmp_path)
    for contents in (b"", b"\0", b'{"process": 3', b"[1]", b'{"host": {}}', b"3", b"\xff"):
        (tmp_path / "lock").write_bytes(contents)
        with pytest.raises(RunInUse, match="is in use by another run; wait for it"):
            FolderLock("folder", tmp_path)
    lock.release()
    FolderLock("folder", tmp_path).release()


def test_a_lock_that_cannot_be_written_is_no_lock(tmp_path):
    (tmp_path / "lock").mkdir()
    with pytest.raises(IsADirectoryError, match="folder: .*lock cannot be written"):
        FolderLock("folder", tmp_path)


def test_closing_frees_the_folder_and_does_no_harm_twice(open_store):
    store = open_store()
    store.close()
    store.close()
    assert open_store().folder == store.folder


FORK = """
import os, sys, time
from pathlib import Path
from paramjax._locks import FolderLock
lock = FolderLock("folder", Path(sys.argv[1]))
worker = os.fork()
if not worker:
    lock.release()  # a child lets nothing go
    print("ready", os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def forked(tmp_path):
    """A process that holds the folder, and the number of the worker that it forked."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", FORK, tmp_path]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    worker = int(run.stdout.readline().split()[1])
    yield run, worker
    os.kill(worker, signal.SIGKILL)
    run.kill()
    run.communicate()


def test_a_forked_worker_does_not_keep_the_lock_of_a_run_that_was_killed(forked, tmp_path):
    run, worker = forked
    with pytest.raises(RunInUse, match=f"process {run.pid} "):
        FolderLock("folder", tmp_path)
    run.kill()
    run.wait()
    os.kill(worker, 0)  # it lives
    FolderLock("folder", tmp_path).release()


def test_a_dead_process_is_never_named(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lock = FolderLock("folder", tmp_path)
    about = {"process": ended.pid, "host": socket.gethostname(), "since": "then"}
    for process, shown in (
        (ended.pid, "another run; wait"),
        (os.getppid(), "another run .process"),
    ):
        (tmp_path / "lock").write_text(json.dumps(about | {"process": process}))
        with pytest.raises(RunInUse, match=f"is in use by {shown}"):
            FolderLock("folder", tmp_path)
    lock.release()
    lock.release()
    assert (tmp_path / "lock").read_bytes() == b""


def test_a_lock_that_nobody_keeps_is_free(tmp_path):
    lock = FolderLock("folder", tmp_path)
    with pytest.warns(ResourceWarning):
        del lock
    FolderLock("folder", tmp_path).release()
