import gzip
import json
import os
import pickle
import random
import re
import shutil
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from paramjax.checkpoints import DamageWarning, Keep, SaveWarning, inspect
from paramjax.checkpoints import _write as write

# only a manifest with a right hash of its own reaches the checks behind that hash
from paramjax.checkpoints._arrays import named_dtype, write_arrays
from paramjax.checkpoints._manifest import (
    DamageError,
    _rendered,
    describe_files,
    read_manifest,
    write_manifest,
)

MEGABYTES = 5 * 2**20


@pytest.fixture
def run(open_store, save, tmp_path):
    """A run with the checkpoints of steps 1 and 2."""
    with open_store() as store:
        save(store, 1)
        save(store, 2)
    return tmp_path / "run"


@pytest.fixture
def newest(run):
    return run / "step_000000002"


def restored(store, blank):
    """The step that is restored, checked by its numbers, and what was said about damage."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        saved = store.restore(blank)
    bias = np.asarray(saved.tree["params"]["dense"]["bias"], np.float32)
    np.testing.assert_array_equal(bias, saved.step)
    assert {warning.category for warning in said} <= {DamageWarning}
    return saved.step, [str(warning.message) for warning in said]


def flip(path, rng):
    contents = bytearray(path.read_bytes())
    contents[rng.randrange(len(contents))] ^= 1 << rng.randrange(8)
    path.write_bytes(contents)


def truncate(path, rng):
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def remove(path, rng):
    path.unlink()


def replace_by_folder(path, rng):
    path.unlink()
    path.mkdir()


def test_any_damage_to_any_file_is_named_and_the_checkpoint_before_restored(
    open_store, newest, blank, tmp_path
):
    rng, store = random.Random(0), open_store()
    names = [path.name for path in newest.iterdir()]
    assert sorted(names) == ["arrays.safetensors", "history.safetensors", "manifest.json"]
    shutil.copytree(newest, tmp_path / "whole")
    for damage in (flip, flip, flip, truncate, truncate, remove, replace_by_folder):
        for name in names:
            damage(newest / name, rng)
            step, said = restored(store, blank)
            assert step == 1
            assert [name in text and "is damaged" in text for text in said] == [True], (name, said)
            shutil.rmtree(newest)
            shutil.copytree(tmp_path / "whole", newest)
    (newest / "folder").mkdir()
    for name in ("added", "folder/added"):
        (newest / name).write_bytes(b"")
        step, said = restored(store, blank)
        (newest / name).unlink()
        assert (step, f"{name} does not belong to it" in said[0]) == (1, True)
    assert restored(store, blank) == (2, [])


def test_every_bit_of_the_manifest_counts(newest):
    """All 8 bits of every 37th byte, of the hash and of what it is the hash of."""
    path = newest / "manifest.json"
    whole = path.read_bytes()
    flipped = (
        whole[:offset] + bytes([whole[offset] ^ 1 << bit]) + whole[offset + 1 :]
        for offset in range(0, len(whole), 37)
        for bit in range(8)
    )
    others = [b"", b"[]", b"{}", b"null", b'{"manifest": []}', b'{"manifest": "x"}',
              b'{"manifest": {}}', b"[" * 100_000, b"9" * 10_000, b"\xff\xfe\x00"]  # fmt: skip
    for contents in (*flipped, *others):
        path.write_bytes(contents)
        with pytest.raises(DamageError, match="manifest.json"):
            read_manifest(newest)
    path.write_bytes(whole)
    assert read_manifest(newest).step == 2


def test_a_checkpoint_under_the_name_of_another_is_not_taken_for_it(open_store, run, blank):
    shutil.copytree(run / "step_000000001", run / "step_000000007")
    step, said = restored(open_store(), blank)
    assert step == 2
    assert "is called step_000000007, and its manifest says step 1" in said[0]


@pytest.mark.parametrize("name", ["arrays.safetensors", "history.safetensors", "manifest.json"])
def test_a_file_of_another_checkpoint_is_damage(open_store, newest, run, blank, tmp_path, name):
    """An older copy, that of another run of the same form, and two that changed places."""
    with open_store(tmp_path / "other", identity={"key": [0, 8]}) as other:
        other.save(2, blank, {"loss": np.zeros(3, np.float32)}, {}, {})
    store, whole = open_store(), (newest / name).read_bytes()
    for folder in (run / "step_000000001", tmp_path / "other" / "step_000000002"):
        (newest / name).write_bytes((folder / name).read_bytes())
        step, said = restored(store, blank)
        assert (step, "step_000000002 is damaged" in said[0]) == (1, True)
    (run / "step_000000001" / name).write_bytes(whole)  # now the older one has that of the newer
    with pytest.warns(DamageWarning), pytest.raises(ValueError, match="none of the 2 checkpoints"):
        store.restore(blank)


def test_checkpoints_that_changed_places_are_refused(open_store, newest, run, blank, tmp_path):
    newest.rename(tmp_path / "aside")
    (run / "step_000000001").rename(newest)
    (tmp_path / "aside").rename(run / "step_000000001")
    with (
        pytest.warns(DamageWarning, match="is called step_.*, and its manifest says step"),
        pytest.raises(ValueError, match="none of the 2 checkpoints"),
    ):
        open_store().restore(blank)


def rewrite(checkpoint, **changes):
    """A manifest with a hash of its own that is right, as no flipped bit makes it."""
    write_manifest(checkpoint, read_manifest(checkpoint)._replace(**changes))


def test_arrays_that_do_not_agree_with_the_manifest_are_named(open_store, newest, blank):
    """The files are as they were written, so they were written wrong."""
    store, leaves = open_store(), read_manifest(newest).leaves
    name, other = "params/dense/bias", leaves["params/dense/kernel"].hash
    for change, message in [
        ({"hash": other}, "does not have the hash that it was written with"),
        ({"dtype": "object"}, "cannot have its dtype in the manifest: expected a dtype of numbers"),
        ({"dtype": "no such"}, "cannot have its dtype in the manifest"),
        ({"shape": (5,)}, "has 6 bytes, expected 10"),
        ({"shape": (500,)}, "has 6 bytes, expected 1000"),
    ]:
        rewrite(newest, leaves=leaves | {name: leaves[name]._replace(**change)})
        step, said = restored(store, blank)
        assert (step, f"leaf {name} {message}" in said[0]) == (1, True), said
    rewrite(newest, leaves={"lost": leaves[name], **leaves})
    store.close()
    with open_store() as other_store, pytest.raises(ValueError, match="lost: expected nothing"):
        other_store.restore(blank)


def test_a_run_whose_checkpoints_are_all_damaged_is_refused(open_store, run, blank):
    for path in run.glob("step_*/manifest.json"):
        path.write_bytes(b"")
    store = open_store()
    with (
        pytest.warns(DamageWarning),
        pytest.raises(
            ValueError, match="none of the 2 checkpoints in .* restore the folder from a copy"
        ),
    ):
        store.restore(blank)


@pytest.mark.parametrize("name", ["run.json", "lock"])
def test_damage_to_files_that_runs_never_read_heals(open_store, run, save, blank, name):
    with open_store():
        whole = json.loads((run / name).read_bytes())
    for step, contents in enumerate([None, b"", b"\xff\xfe\x00", b'{"process": 3'], start=2):
        (run / name).write_bytes(contents) if contents is not None else (run / name).unlink()
        with open_store() as store:
            assert restored(store, blank) == (step, [])
            save(store, step + 1)
            assert json.loads((run / name).read_bytes()).keys() == whole.keys()


def test_damaged_checkpoints_go_as_good_ones_do(open_store, newest, save, blank, entries):
    (newest / "manifest.json").write_bytes(b"")
    with open_store() as store:
        assert restored(store, blank)[0] == 1
        for step in (3, 4, 5):
            save(store, step)
        assert restored(store, blank) == (5, [])
    assert [name for name in entries(newest.parent) if name[:4] == "step"] == [
        "step_000000003", "step_000000004", "step_000000005",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["arrays.safetensors", "history.safetensors"])
def test_a_file_of_something_else_is_damaged(open_store, newest, blank, name):
    """Its hash is right, so it was not damaged by chance; a pickle is not read either."""
    store = open_store()
    for contents in (b"", b"\x80\x04.", b"\xff" * 64, b"\x08" + bytes(7) + b"{}      "):
        (newest / name).write_bytes(contents)
        rewrite(newest, files=describe_files(newest))
        step, said = restored(store, blank)
        assert (step, name in said[0]) == (1, True), said


def half(path, arrays):
    path.write_bytes(b"half")


def without_arrays(path, arrays):
    write_arrays(path, {})


def with_a_flipped_bit(path, arrays):
    write_arrays(path, arrays)
    flip_last(path)


def flip_last(path):
    contents = bytearray(path.read_bytes())
    contents[-1] ^= 1
    path.write_bytes(contents)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(half, "arrays.safetensors cannot be read"), (without_arrays, "leaf .* is missing in arrays"),
     (with_a_flipped_bit, "leaf .* reads otherwise than it was written")],
)  # fmt: skip
def test_each_save_is_read_back_before_it_counts(
    open_store, run, save, blank, entries, monkeypatch, wrong, message
):
    store = open_store(keep=Keep(1))
    save(store, 3)
    before = entries(run)

    def writes(path, arrays):
        (wrong if path.name.startswith("arrays") else write_arrays)(path, arrays)

    with monkeypatch.context() as patch:
        patch.setattr(write, "write_arrays", writes)
        store.save(4, blank, {}, {}, {})
        with pytest.warns(SaveWarning, match=f"step 4 could not.*{message}"):
            store.wait()
    assert entries(run) == before == ["lock", "run.json", "step_000000003"]
    save(store, 4)
    assert restored(store, blank) == (4, [])


def test_a_manifest_that_reads_otherwise_is_not_counted(
    open_store, run, save, blank, entries, monkeypatch
):
    store = open_store()
    real = Path.write_bytes

    def writes(path, contents):
        return real(path, contents[:-1] if path.name == "manifest.json" else contents)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", writes)
        store.save(3, blank, {}, {}, {})
        with pytest.warns(SaveWarning, match=r"step 3 could not.*manifest.json"):
            store.wait()
    assert "step_000000003" not in entries(run)


def forge(checkpoint, **changes):
    """Change the manifest in ways that the type of it forbids."""
    path = checkpoint / "manifest.json"
    body = json.loads(path.read_bytes())["manifest"] | changes
    lacks = [name for name, part in changes.items() if part is None]
    path.write_bytes(_rendered({name: body[name] for name in body if name not in lacks}))


def described(run):
    """What `inspect` says about the newest checkpoint, and the memory that it took."""
    tracemalloc.start()
    try:
        info = inspect(run)[-1]
        return info, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


BILLION = 10**15
HOSTILE = [
    ({"step": "x"}, "is not as paramjax writes it"),
    ({"metrics": {"loss": "\x1b[31m"}}, r"could not convert string to float: '\\x1b\[31m'"),
    ({"files": {"a": 3}}, "is not as paramjax writes it"),
    ({"extra": None}, "is not as paramjax writes it: 'extra'"),
    ({"program": 3}, "program is a int"),
    ({"versions": [1]}, "is not as paramjax writes it"),
    ({"leaves": {"w": ["f", "float32", [-1, -6], None, ""]}}, "a shape is .-1, -6."),
    ({"leaves": {"w": ["f", "float32", ["3"], None, ""]}}, "a shape is"),
    ({"leaves": {"w": ["f", "float32"]}}, "is not as paramjax writes it"),
    ({"leaves": {"params/w\x1b[2J": ["f", "float32", [BILLION], None, ""]}},
     r"leaf params/w\\x1b\[2J is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), HOSTILE)
def test_a_forged_manifest_is_damage_to_inspect_and_to_restore(
    open_store, run, newest, blank, changes, message
):
    forge(newest, **changes)
    info, memory = described(run)
    assert re.search(message, info.damage), info.damage
    assert info.damage.isprintable()
    assert memory < MEGABYTES
    with open_store() as store:
        if "leaves" not in changes:
            assert restored(store, blank)[0] == 1


@pytest.mark.parametrize("shape", [(BILLION,), (BILLION, 0, 3), (0, 10**30)])
def test_a_shape_of_petabytes_takes_no_memory(run, newest, shape):
    leaves = read_manifest(newest).leaves
    name = "params/dense/bias"
    rewrite(newest, leaves=leaves | {name: leaves[name]._replace(shape=shape)})
    info, memory = described(run)
    assert f"leaf {name} has 6 bytes, expected " in info.damage
    assert memory < MEGABYTES


def test_an_archive_or_a_pickle_is_named_and_not_opened(run, newest):
    """A gigabyte of zeros takes a megabyte as gzip."""
    bomb = gzip.compress(bytes(2**26))
    for contents, kind in [
        (bomb, "a gzip archive"), (pickle.dumps(np.ones(2)), "a pickle"),
        (b"\x28\xb5\x2f\xfd" + bytes(90), "a zstd archive"), (b"PK\3\4" + bytes(90), "a zip"),
        (b"\x93NUMPY\1\0" + bytes(90), "an array of numpy"),
    ]:  # fmt: skip
        (newest / "arrays.safetensors").write_bytes(contents)
        rewrite(newest, files=describe_files(newest))
        info, memory = described(run)
        assert f"it is {kind}" in info.damage
        assert memory < MEGABYTES


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(run, newest):
    for name in ("arrays.safetensors", "manifest.json"):
        (newest / name).unlink()
        os.mkfifo(newest / name)
        assert name in inspect(run)[-1].damage


@pytest.mark.parametrize(
    ("dtype", "number", "leaf"),
    [("float32", np.inf, "w"), ("bfloat16", np.nan, "w"), ("float64", -np.inf, "b"),
     ("complex64", np.nan, "w"), ("float8_e4m3fn", np.nan, "b"), ("float16", np.inf, "b")],
)  # fmt: skip
def test_parameters_that_are_not_finite_are_named(open_store, tmp_path, dtype, number, leaf):
    good = {"w": np.ones(3, named_dtype(dtype)), "b": np.ones(2, named_dtype(dtype))}
    bad = {name: array.copy() for name, array in good.items()}
    bad[leaf][1] = number
    with open_store() as store:
        state = {"params": good, "opt_state": {"best": np.float32(np.inf)}}
        history = {"loss": np.array([np.nan])}
        for step, tree in ((1, {"state": state, "params": good}),
                           (2, {"state": state | {"params": bad}, "params": good}),
                           (3, {"state": state | {"params": bad}, "params": bad})):  # fmt: skip
            store.save(step, tree, history, {}, {})
    found = [(info.damage, info.nonfinite) for info in inspect(tmp_path / "run")]
    trained = f"state/params/{leaf}"
    assert found == [(None, ()), (None, (trained,)), (None, (f"params/{leaf}", trained))]
