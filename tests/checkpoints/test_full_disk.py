import errno
import itertools
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest

from paramjax.checkpoints import SaveWarning

# the operations of a save that may fail
from paramjax.checkpoints import _folder as folder
from paramjax.checkpoints import _write as write

PHASES = [
    (write, "write_arrays", 1), (write, "write_arrays", 2), (write, "write_manifest", 1),
    (write, "describe_files", 1), (write, "fsync", 1), (write, "fsync", 4),
    (write, "write_run", 1), (write, "complete", 1), (folder.os, "replace", 1),
    (folder.os, "rename", 1), (folder.os, "fsync", 1),
]  # fmt: skip
MEGABYTE = 2**20


def tree(value, size=10):
    return {"w": np.full(size, value, np.float32)}


def value(store, size=10):
    """Of the newest checkpoint; a DamageWarning would be an error."""
    found = np.unique(store.restore(tree(0, size)).tree["w"])
    assert found.shape == (1,)
    return found[0]


def fails_to_save(store, step, contents, message):
    store.save(step, contents, {"loss": np.zeros(3)}, {}, {})
    text = f"the checkpoint of step {step} could not be written to .*{message}"
    with pytest.warns(SaveWarning, match=f"(?s){text}"):
        store.wait()


@pytest.mark.parametrize(
    ("module", "name", "nth"), PHASES, ids=[f"{name} {nth}" for _, name, nth in PHASES]
)
def test_no_space_in_any_phase_of_a_save(
    open_store, tmp_path, entries, monkeypatch, module, name, nth
):
    store, operation = open_store(), getattr(module, name)
    store.save(1, tree(1), {}, {}, {})
    store.wait()

    def full(calls):
        def operate(*args, **kwargs):
            if next(calls) == nth:
                raise OSError(errno.ENOSPC, "No space left on device")
            return operation(*args, **kwargs)

        return operate

    for step in (2, 1):  # another step, and the same again
        with monkeypatch.context() as patch:
            patch.setattr(module, name, full(itertools.count(1)))
            message = "No space left on device.*; make room there, .*last good one is of step 1"
            fails_to_save(store, step, tree(2), message)
        assert entries(tmp_path / "run") == ["lock", "run.json", "step_000000001"]
        assert value(store) == 1
    store.save(1, tree(3), {}, {}, {})  # there is room again
    assert value(store) == 3


def test_a_limit_on_the_size_of_files_is_met_as_a_full_disk_is(open_store, tmp_path, entries):
    store, large = open_store(), MEGABYTE
    store.save(1, tree(1, large), {}, {}, {})
    store.wait()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEGABYTE, hard))  # of 4 that the array needs
    try:
        fails_to_save(
            store,
            2,
            tree(2, large),
            "File too large.*; raise the limit.*the last good one is of step 1",
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert entries(tmp_path / "run") == ["lock", "run.json", "step_000000001"]
    assert value(store, large) == 1
    store.save(3, tree(3, large), {}, {}, {})
    assert value(store, large) == 3


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 12 MB, where this process may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", place]
    if not sys.platform.startswith("linux") or shutil.which("mount") is None:
        pytest.skip("no tmpfs on this system")
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("left", [0, 100_000, 3 * MEGABYTE], ids=str)
def test_a_full_disk_keeps_the_last_good_checkpoint(open_store, small_disk, entries, left):
    run, large = small_disk / "run", MEGABYTE
    store = open_store(run)
    store.save(1, tree(1, large), {}, {}, {})
    store.wait()
    ballast = small_disk / "ballast"
    room = shutil.disk_usage(small_disk).free - left
    ballast.write_bytes(b"0" * room)
    fails_to_save(store, 2, tree(2, large), "No space left.*; make room there, .* is of step 1")
    assert entries(run) == ["lock", "run.json", "step_000000001"]
    assert value(store, large) == 1
    ballast.unlink()
    store.save(3, tree(3, large), {}, {}, {})
    assert value(store, large) == 3


def test_a_disk_that_is_full_from_the_start_is_told_at_once(open_store, small_disk):
    (small_disk / "ballast").write_bytes(b"0" * shutil.disk_usage(small_disk).free)
    with pytest.raises(OSError, match="checkpoints: .*No space left on device; make room there"):
        open_store(small_disk / "run")
    (small_disk / "ballast").unlink()
    store = open_store(small_disk / "run")
    store.save(1, tree(1), {}, {}, {})
    assert value(store) == 1


def test_a_disk_that_may_not_be_written_is_told_at_once(open_store, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for run in (small_disk / "run", small_disk):
        with pytest.raises(OSError, match=f"checkpoints: {run} cannot be written: .*another"):
            open_store(run)
