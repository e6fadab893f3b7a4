"""Any damage to a checkpoint is found, named, and the one before it is taken."""

import json
import pickle
import random
import re
import shutil
import warnings
import zipfile

import numpy as np
import pytest

from paramjax._hashes import array_hash
from paramjax.checkpoints import DamageWarning, SaveWarning
from paramjax.checkpoints import _write as write
from paramjax.checkpoints._hashes import Damaged
from paramjax.checkpoints._history import read_history
from paramjax.checkpoints._manifest import read_manifest, write_manifest


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


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


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


@pytest.mark.parametrize("damage", [flip, truncate])
def test_flipped_bits_and_cut_files_are_found_and_named(open_store, newest, blank, damage):
    rng, store = random.Random(0), open_store()
    files = [path for path in files_of(newest) if path.stat().st_size]
    chosen = [*files, *(rng.choice(files) for _ in range(20 - len(files)))]
    for path in chosen:  # each file once, and then any of them
        whole = path.read_bytes()
        damage(path, rng)
        step, said = restored(store, blank)
        path.write_bytes(whole)
        assert step == 1
        name = path.relative_to(newest).as_posix()
        assert [name in text and "is damaged" in text for text in said] == [True], (name, said)
    assert restored(store, blank) == (2, [])


def test_every_bit_of_the_manifest_counts(newest):
    """All 8 bits of every 37th byte, of the hash and of what it is the hash of."""
    path = newest / "manifest.json"
    whole = path.read_bytes()
    for place in range(0, len(whole), 37):
        for bit in range(8):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            with pytest.raises(Damaged, match="manifest.json"):
                read_manifest(newest)
    path.write_bytes(whole)
    assert read_manifest(newest).step == 2


@pytest.mark.parametrize(
    "contents",
    [b"", b"[]", b"{}", b"null", b'{"manifest": []}', b'{"manifest": "x"}', b'{"manifest": {}}',
     b"[" * 100_000, b"9" * 10_000, b"\xff\xfe\x00"],
)  # fmt: skip
def test_a_manifest_of_something_else_is_damaged(newest, contents):
    (newest / "manifest.json").write_bytes(contents)
    with pytest.raises(Damaged, match=r"manifest\.json"):
        read_manifest(newest)


def test_a_missing_file_is_named(open_store, newest, blank):
    store = open_store()
    for path in files_of(newest):
        whole = path.read_bytes()
        path.unlink()
        step, said = restored(store, blank)
        path.write_bytes(whole)
        assert step == 1
        assert path.relative_to(newest).as_posix() in said[0]


def test_an_added_file_is_named(open_store, newest, blank):
    store = open_store()
    for name in ("added", "arrays/added"):
        (newest / name).write_bytes(b"")
        step, said = restored(store, blank)
        (newest / name).unlink()
        assert (step, f"{name} does not belong to it" in said[0]) == (1, True)


def test_a_folder_in_the_place_of_a_file_is_named(open_store, newest, blank):
    (newest / "history.npz").unlink()
    (newest / "history.npz").mkdir()
    step, said = restored(open_store(), blank)
    assert (step, "history.npz is missing" in said[0]) == (1, True)


def test_a_checkpoint_under_the_name_of_another_is_not_taken_for_it(open_store, run, blank):
    shutil.copytree(run / "step_000000001", run / "step_000000007")
    step, said = restored(open_store(), blank)
    assert step == 2
    assert "is called step_000000007, and its manifest says step 1" in said[0]


def rewrite(checkpoint, **changes):
    """A manifest with a hash of its own that is right, as no flipped bit makes it."""
    write_manifest(checkpoint, read_manifest(checkpoint)._replace(**changes))


def test_arrays_that_do_not_have_the_hash_of_their_leaf_are_named(open_store, newest, blank):
    """The files are as they were written, so they were written wrong."""
    name = "params/dense/bias"
    leaves = read_manifest(newest).leaves
    other = array_hash(np.zeros(3, np.float32), "bfloat16[3]")
    rewrite(newest, leaves=leaves | {name: leaves[name]._replace(hash=other)})
    step, said = restored(open_store(), blank)
    assert (step, f"leaf {name} does not have the hash" in said[0]) == (1, True)


@pytest.mark.parametrize(
    "change", [{"dtype": "object"}, {"dtype": "no such"}, {"shape": (5,)}, {"shape": (500,)}]
)
def test_a_leaf_that_does_not_fit_its_form_is_named(open_store, newest, blank, change):
    name = "params/dense/bias"
    leaves = read_manifest(newest).leaves
    rewrite(newest, leaves=leaves | {name: leaves[name]._replace(**change)})
    step, said = restored(open_store(), blank)
    assert (step, f"leaf {name}" in said[0]) == (1, True)


def test_where_all_are_damaged_the_run_is_refused(open_store, run, blank):
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
@pytest.mark.parametrize("contents", [None, b"", b"\xff\xfe\x00", b'{"process": 3'], ids=str)
def test_damage_to_what_no_run_reads_is_healed(open_store, run, save, blank, name, contents):
    whole = (run / name).read_bytes()
    (run / name).write_bytes(contents) if contents is not None else (run / name).unlink()
    with open_store() as store:
        assert restored(store, blank) == (2, [])
        save(store, 3)
    healed, before = (json.loads(text) for text in ((run / name).read_bytes(), whole))
    assert healed.keys() == before.keys()


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


class Trap:
    """Says so when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("a pickle was read",)


def zipped(path, contents, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("0_0.npy", contents)


def test_pickles_are_never_read(tmp_path):
    np.save(tmp_path / "trap.npy", np.array([Trap()]), allow_pickle=True)
    zipped(tmp_path / "history.npz", (tmp_path / "trap.npy").read_bytes())
    with pytest.raises(Damaged, match="history.npz cannot be read: Object arrays cannot be loaded"):
        read_history(tmp_path, [{"loss": "float32"}])
    (tmp_path / "history.npz").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(Damaged, match="history.npz cannot be read: .*pickle"):
        read_history(tmp_path, [{"loss": "float32"}])


def test_series_that_would_grow_when_they_are_read_are_refused(tmp_path):
    np.save(tmp_path / "zeros.npy", np.zeros(100_000))
    contents = (tmp_path / "zeros.npy").read_bytes()
    zipped(tmp_path / "history.npz", contents, zipfile.ZIP_DEFLATED)
    with pytest.raises(Damaged, match="it is compressed, and no such file was ever written"):
        read_history(tmp_path, [{"loss": "float64"}])
    header = re.sub(rb"\(100000,\)", b"(%d,)" % 10**17, contents)
    zipped(tmp_path / "history.npz", header)
    with pytest.raises(Damaged, match="history.npz cannot be read"):
        read_history(tmp_path, [{"loss": "float64"}])


def test_what_cannot_be_read_again_is_told_at_the_first_save(
    open_store, run, save, blank, entries, monkeypatch
):
    store = open_store()
    with monkeypatch.context() as patch:
        patch.setattr(write, "write_arrays", lambda folder, arrays: None)
        store.save(3, blank, {}, {}, {})
        with pytest.warns(SaveWarning, match="step 3 could not be written.*arrays cannot be read"):
            store.wait()
    assert entries(run) == ["lock", "run.json", "step_000000001", "step_000000002"]
    save(store, 3)
    assert restored(store, blank) == (3, [])
