import os
from pathlib import Path

import pytest

import paramjax as pj


def test_a_relative_folder_stays_where_the_run_began(
    open_store, save, steps_in, tmp_path, monkeypatch
):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = open_store("runs/first")
    save(store, 1)
    monkeypatch.chdir(tmp_path / "elsewhere")
    save(store, 2)
    assert store.folder == tmp_path / "runs" / "first"
    assert steps_in(tmp_path / "runs" / "first") == [1, 2]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_tilde_is_the_home_folder(open_store, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_store("~/run").folder == tmp_path / "run"


@pytest.mark.parametrize(
    "name", ["a b\n(é) %s {x} ?*#%20|~~:日本", "run [1]", "back\\slash", "\udcff"], ids=ascii
)
def test_a_folder_with_a_strange_name_or_a_link_to_one_will_do(
    open_store, save, blank, steps_in, tmp_path, name
):
    (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(name)
    for step, folder in ((1, name), (2, "link")):
        with open_store(tmp_path / folder) as store:
            save(store, step)
            assert store.restore(blank).step == step
    assert steps_in(tmp_path / name) == [1, 2]


def test_a_file_in_the_place_of_the_folder_is_refused(open_store, tmp_path):
    (tmp_path / "file").write_text("mine")
    for inner in ("", "run"):
        message = (
            "checkpoints: .*file.* cannot be written: .*; a file is in the way; choose another"
        )
        with pytest.raises(OSError, match=message):
            open_store(tmp_path / "file" / inner)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(open_store, tmp_path):
    tmp_path.chmod(0o500)
    try:
        for folder in (tmp_path, tmp_path / "run"):
            with pytest.raises(PermissionError, match="give yourself the right to write there"):
                open_store(folder)
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_the_system_says_is_not_writable_is_refused(
    open_store, tmp_path, monkeypatch
):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="checkpoints: .*run cannot be written: .* or choose"):
        open_store()


@pytest.mark.parametrize(
    ("folder", "error", "shown"),
    [("", ValueError, "a path of this machine, got ''"),
     ("gs://b/run", ValueError, "got 'gs://b/run'; pass a path such as 'runs/first'"),
     (" ", ValueError, "a path of this machine, got ' '"),
     (Path("s3://b/run"), ValueError, "a path of this machine, got 's3:/b/run'"),
     ("file:///tmp/run", ValueError, "a path of this machine"),
     ("a\0b", ValueError, "a path of this machine"),
     ("~nobody-of-that-name/run", ValueError, "whose '~' names no home; write it out"),
     (None, TypeError, "expected a path, got None"), (3, TypeError, "expected a path, got int 3"),
     (b"run", TypeError, "expected a path, got bytes b'run'")],
)  # fmt: skip
def test_what_is_not_a_path_is_refused(open_store, folder, error, shown):
    with pytest.raises(error, match=f"checkpoints: .*{shown}"):
        open_store(folder)


def test_other_entries_of_the_folder_are_left_alone(
    open_store, save, blank, steps_in, tmp_path, entries
):
    run = tmp_path / "run"
    mine = ["step_000000009", "step_12", "step_0000000003", "unfinished_thoughts", "removed_step_1"]
    run.mkdir()
    (run / mine[0]).write_text("a file")
    for name in mine[1:]:
        (run / name).mkdir()
    with open_store() as store:
        for step in (1, 2, 3, 4):
            save(store, step)
        assert store.restore(blank).step == 4
    assert set(mine) <= set(entries(run))
    assert steps_in(run) == [2, 3, 4]


def test_steps_beyond_nine_digits_are_in_order(open_store, save, blank, steps_in, tmp_path):
    store = open_store()
    for step in (999_999_999, 2**31, 10**12):
        save(store, step)
    assert steps_in(tmp_path / "run") == [999_999_999, 2**31, 10**12]
    assert store.restore(blank).step == 10**12


def test_a_folder_without_checkpoints_is_not_inspected(tmp_path):
    with pytest.raises(ValueError, match="holds no checkpoint; expected the folder of a run's"):
        pj.checkpoints.inspect(tmp_path)
    with pytest.raises(ValueError, match="is not a folder; expected the folder of a run's"):
        pj.checkpoints.inspect(tmp_path / "none")
