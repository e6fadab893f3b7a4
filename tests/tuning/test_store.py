"""The file of a sweep: exact, and never silently wrong."""

import contextlib
import math
import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramjax.populations import Record

# a sweep writes whole results: values that it rarely has are put in by hand
from paramjax.populations._outcome import Outcome
from paramjax.tuning import DamagedError, StoreMismatchError
from paramjax.tuning.store._store import Store, packed, unpacked

TREE = {
    "single": np.array([1.5, -0.0, np.inf, np.nan], np.float32),
    "half": jnp.array([1.0, 3.14], jnp.bfloat16),
    "count": np.int32(7),
    "yes": np.array([[True], [False]]),
    "key": jax.random.key(5),
    "keys": jax.random.split(jax.random.key(6), 3),
    "none": np.zeros((0, 4), np.float32),
    "words": np.array([2**32 - 1], np.uint32),
}


def test_arrays_come_back_exactly():
    back = unpacked(packed(TREE), TREE)
    assert jax.tree.structure(back) == jax.tree.structure(TREE)
    for mine, other in zip(jax.tree.leaves(back), jax.tree.leaves(TREE), strict=True):
        assert mine.dtype == other.dtype
        assert mine.shape == other.shape
        if jnp.issubdtype(mine.dtype, jax.dtypes.prng_key):
            mine, other = jax.random.key_data(mine), jax.random.key_data(other)
        assert np.asarray(mine).tobytes() == np.asarray(other).tobytes()


def test_another_tree_is_refused():
    with pytest.raises(ValueError, match="expected 1 arrays, got 8"):
        unpacked(packed(TREE), {"a": 0})


def outcome(trial, seed, loss=0.5, resume_state=None):
    record = Record(
        trial, seed, {"rate": 0.1 * trial}, "finished", None, {"loss": loss},
        {"step": [5.0, 10.0], "train_loss": [1.0, loss]}, 10,
    )  # fmt: skip
    params = {"w": np.full(3, trial + seed, np.float32)}
    return Outcome(record, 10, 12, params, (), {"loss": np.ones(10, np.float32)}, {}, resume_state)


def templates(trial):
    return ({"w": 0}, (), {"loss": 0}, {}), {"state": 0}


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path, [{"rate": 0.1 * trial} for trial in range(4)], templates)
    yield made
    made.close()


def test_outcomes_come_back_exactly(store):
    given = [outcome(0, 0, math.nan), outcome(1, 0, -math.inf), outcome(1, 1, 0.1)]
    store.add(given)
    for one in given:
        back = store.get(one.record.trial, one.record.seed)
        assert repr(back.record) == repr(one.record)
        chex.assert_trees_all_equal(back[2:], one[2:])
    assert store.reached() == {(0, 0): 10, (1, 0): 10, (1, 1): 10}


def test_the_latest_replaces_those_before(store):
    store.add([outcome(0, 0, 0.5, resume_state={"state": np.arange(3)})])
    assert store.get(0, 0).resume_state["state"].tolist() == [0, 1, 2]
    store.add([outcome(0, 0, 0.25)])
    assert store.get(0, 0).record.metrics == {"loss": 0.25}
    assert store.get(0, 0).resume_state is None


def test_a_training_that_is_not_there_is_no_outcome(store):
    with pytest.raises(KeyError):
        store.get(3, 0)


def test_a_person_can_read_it(store):
    store.add([outcome(1, 0)])
    with sqlite3.connect(store.path) as db:
        row = db.execute("SELECT trial, seed, status, metrics FROM results").fetchone()
    assert row == (1, 0, "finished", '{"loss": 0.5}')


def test_a_file_of_that_name_is_taken(tmp_path):
    made = Store(tmp_path / "deep" / "mine.sqlite", [], templates)
    made.close()
    assert (tmp_path / "deep" / "mine.sqlite").exists()


@pytest.mark.parametrize("changes", [40, pytest.param(400, marks=pytest.mark.slow)])
def test_no_flipped_bit_and_no_cut_is_read_as_something_else(store, tmp_path, changes):
    store.add([outcome(t, s) for t in range(4) for s in range(3)])
    store.close()
    whole, generator = store.path.read_bytes(), random.Random(0)
    truth = {(t, s): repr(outcome(t, s)) for t in range(4) for s in range(3)}
    damaged = 0
    for number in range(changes):
        changed = bytearray(whole)
        if number % 10 == 0:
            changed = changed[: generator.randrange(len(whole))]
        else:
            changed[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        path = tmp_path / "changed" / f"{number}.sqlite"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(changed))
        try:
            other = Store(path, [{"rate": 0.1 * trial} for trial in range(4)], templates)
            assert {which: repr(other.get(*which)) for which in other.reached()} == truth
            other.close()
        except DamagedError:
            damaged += 1
    # most of a small file is room for more
    assert damaged > changes / 8


def filled(store, trials=4):
    """A store with trainings and notes, closed."""
    store.note({"identity": {"steps": 10}, "rung 5": {"kept": [0]}})
    store.add([outcome(t, s) for t in range(trials) for s in range(3)])
    store.close()
    return store.path


def opened(path):
    return Store(path, [{"rate": 0.1 * trial} for trial in range(4)], templates)


def edit(path, *statements):
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


@pytest.mark.parametrize(
    "statements",
    [
        ["DELETE FROM trainings WHERE trial = 1", "DELETE FROM arrays WHERE trial = 1"],
        ["DELETE FROM trainings", "DELETE FROM arrays", "DELETE FROM settings"],
        ["DELETE FROM settings WHERE name = 'rung 5'"],
        ["DELETE FROM arrays WHERE trial = 3 AND seed = 2"],
        ["DELETE FROM seal"],
        ["UPDATE seal SET rows = rows - 1"],
        ["DROP TABLE seal"],
        ["DROP TABLE arrays"],
        ["UPDATE trainings SET seed = 7, hash = '0123456789abcdef' WHERE seed = 2"],
        ["INSERT INTO settings VALUES ('rung 9', '{}', '0123456789abcdef')"],
    ],
)
def test_deleted_and_added_rows_are_noticed(store, statements):
    path = filled(store)
    edit(path, *statements)
    with pytest.raises(DamagedError, match=rf"{path}: .*start over with fresh=True"):
        opened(path)


def test_older_rows_that_are_put_back_are_noticed(store):
    store.add([outcome(0, 0, 0.5)])
    with contextlib.closing(sqlite3.connect(store.path)) as db:
        older = db.execute("SELECT * FROM trainings").fetchone()
    store.add([outcome(0, 0, 0.25)])
    store.close()
    with contextlib.closing(sqlite3.connect(store.path)) as db, db:
        db.execute(f"REPLACE INTO trainings VALUES ({', '.join('?' * len(older))})", older)
    with pytest.raises(DamagedError, match="rows were deleted, or older ones put back"):
        opened(store.path)


def test_rows_that_are_replaced_keep_the_seal(store):
    for loss in (0.5, 0.25, 0.5):
        store.add([outcome(t, 0, loss) for t in (0, 1, 1)])
        store.note({"rung": loss})
    store.close()
    again = opened(store.path)
    assert again.reached() == {(0, 0): 10, (1, 0): 10}
    again.close()


def test_an_empty_file_is_not_a_new_store(store):
    path = filled(store)
    path.write_bytes(b"")
    with pytest.raises(DamagedError, match="it is empty"):
        opened(path)


def test_what_a_kill_left_of_a_new_store_is_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = [tmp_path / f".records.sqlite.{ended.pid}-7{end}" for end in ("", "-journal")]
    mine = tmp_path / f".records.sqlite.{os.getpid()}-1"
    for path in (*left, mine):
        path.write_bytes(b"half")
    opened(tmp_path / "records.sqlite").close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [mine.name, "records.sqlite"]


def test_a_store_of_the_format_before_is_refused(tmp_path):
    path = tmp_path / "records.sqlite"
    edit(path, "CREATE TABLE trainings (trial INTEGER, seed INTEGER, hash TEXT)")
    with pytest.raises(StoreMismatchError, match=f"{path} was written by an older paramjax.* name"):
        opened(path)


def test_a_database_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "photos.sqlite"
    edit(path, "CREATE TABLE photos (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreMismatchError, match="of something else, with the tables .'photos'"):
        opened(path)
    with pytest.raises(StoreMismatchError, match="of something else, with the tables .'photos'"):
        Store.delete(path)
    assert path.read_bytes() == before


WRITER = """
import sys
sys.path[:0] = sys.argv[2:]
from test_store import opened, outcome
store, number = opened(sys.argv[1]), 0
print("ready", flush=True)
while True:
    store.add([outcome(t, s, 1.0 / (1 + number)) for t in range(4) for s in range(3)])
    store.note({"number": number})
    number += 1
"""


@pytest.mark.parametrize("kills", [1, pytest.param(40, marks=pytest.mark.slow)])
def test_a_kill_between_writes_does_not_look_like_damage(tmp_path, kills):
    paths = [str(Path(__file__).parent), *sys.path]
    for number in range(kills):
        command = [sys.executable, "-c", WRITER, str(tmp_path / "store"), *paths]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.05 + 0.013 * (number % 7))
        process.kill()
        process.wait()
        process.stdout.close()
        again = opened(tmp_path / "store")
        assert len(again.reached()) in (0, 12)
        again.close()
