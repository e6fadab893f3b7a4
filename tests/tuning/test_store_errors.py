"""Locked, read-only, full and damaged are four messages; each names the file and what to do."""

import contextlib
import errno
import os
import sqlite3
import subprocess
import sys

import pytest
from problems import sweep_line

from paramjax.populations import Layout
from paramjax.tuning import DamagedError, StoreUnavailableError

# how long a lock is waited for is no argument
from paramjax.tuning.store import _tables as tables


@pytest.fixture
def swept(line, line_loss):
    def swept(store, **settings):
        return sweep_line(line, line_loss, store=store, layout=Layout(2), **settings)

    return swept


def refused(swept, store, kind, message, **settings):
    with pytest.raises(kind, match=message) as caught:
        swept(store, **settings)
    assert ("fresh" in str(caught.value)) is (kind is DamagedError)
    return caught.value


def test_a_locked_store_is_not_a_damaged_one(swept, tmp_path, monkeypatch):
    done = swept(tmp_path).records
    monkeypatch.setattr(tables, "TIMEOUT", 0.1)
    path = tmp_path / "records.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        error = refused(
            swept, tmp_path, StoreUnavailableError,
            f"^{path} is locked by another program .database is locked.*; close it, then call",
        )  # fmt: skip
        assert error.errno == errno.EBUSY
        other.rollback()
    assert swept(tmp_path).records == done


def test_a_full_disk_is_told_apart_and_the_sweep_goes_on(swept, tmp_path, monkeypatch):
    whole = swept(None, trials=64).records
    connect = sqlite3.connect

    def small(*args, **kwargs):
        db = connect(*args, **kwargs)
        db.execute("PRAGMA max_page_count = 16")
        return db

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", small)
        error = refused(
            swept, tmp_path, StoreUnavailableError,
            "records.sqlite does not fit on its disk .*; free some space, then call again",
            trials=64,
        )  # fmt: skip
    assert error.errno == errno.ENOSPC
    assert swept(tmp_path, trials=64).records == whole


READ_ONLY = """
import os, sys
sys.path[:0] = sys.argv[2:]
from test_store import opened, outcome
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    opened(sys.argv[1]).add([outcome(0, 0)])
except Exception as error:
    print(type(error).__name__, error.errno, error)
"""


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize("there", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_store_that_may_not_be_written_names_the_rights(swept, tmp_path, there):
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        folder.chmod(0o755)
    if there:
        swept(tmp_path)
    tmp_path.chmod(0o555)
    process = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(tmp_path), os.path.dirname(__file__), *sys.path],
        capture_output=True, text=True,
    )  # fmt: skip
    kind = "StoreUnavailableError" if there else "PermissionError"
    assert process.stdout.startswith(f"{kind} 13 "), process.stderr
    assert str(tmp_path) in process.stdout
    assert "cannot be written" in process.stdout
    assert "another place" in process.stdout


def test_a_damaged_store_says_how_to_start_over(swept, tmp_path):
    (tmp_path / "records.sqlite").write_bytes(b"no database at all " * 100)
    path = tmp_path / "records.sqlite"
    refused(
        swept, tmp_path, DamagedError,
        f"^{path}: .*file is not a database.*; bring the file back, .* with fresh=True",
    )  # fmt: skip
    assert swept(tmp_path, fresh=True).records == swept(None).records


@pytest.mark.parametrize("store", ["", "s3://bucket/sweep", 3])
def test_what_is_no_folder_is_refused_before_anything_is_made(swept, store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((TypeError, ValueError), match="^store: expected a path"):
        swept(store)
    assert list(tmp_path.iterdir()) == []
