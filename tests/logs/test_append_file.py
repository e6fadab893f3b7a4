import errno

import pytest

from paramjax.logs._append_file import AppendFile


def test_a_piece_that_does_not_fit_leaves_nothing_behind(tmp_path, small_disk):
    file = AppendFile(tmp_path / "log")
    file.append(b"first")
    with small_disk(8), pytest.raises(OSError, match=str(tmp_path / "log")) as caught:
        file.append(b"second")
    assert caught.value.errno == errno.EFBIG
    assert (tmp_path / "log").read_bytes() == b"first"
    file.append(b"second")
    file.to_disk()
    file.close()
    assert (tmp_path / "log").read_bytes() == b"firstsecond"


def test_a_replacement_that_does_not_fit_changes_nothing(tmp_path, small_disk):
    file = AppendFile(tmp_path / "log")
    file.append(b"old")
    with small_disk(8), pytest.raises(OSError, match="log"):
        file.replace([b"much ", b"longer"])
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    file.append(b" and new")
    assert (tmp_path / "log").read_bytes() == b"old and new"
    file.replace([b"much ", b"longer"])
    file.append(b" now")
    file.close()
    assert (tmp_path / "log").read_bytes() == b"much longer now"


def test_what_a_kill_left_is_removed_and_what_is_not_kept_is_cut_off(tmp_path):
    (tmp_path / "log").write_bytes(b"kept, not kept")
    (tmp_path / "unfinished_log").write_bytes(b"half")
    AppendFile(tmp_path / "log", 4).close()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert (tmp_path / "log").read_bytes() == b"kept"
