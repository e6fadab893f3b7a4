import errno

import pytest

from paramjax.logs._append_file import AppendFile  # under every log; no public name reaches it


def test_what_does_not_fit_leaves_nothing_behind(tmp_path, small_disk):
    path = tmp_path / "log"
    path.write_bytes(b"kept, not kept")
    (tmp_path / "unfinished_log").write_bytes(b"left by a kill")
    file = AppendFile(path)
    file.cut(4)
    with small_disk(8), pytest.raises(OSError, match=str(path)) as caught:
        file.append(b" second")
    assert caught.value.errno == errno.EFBIG
    with small_disk(8), pytest.raises(OSError, match="log"):
        file.replace([b"much ", b"longer"])
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert path.read_bytes() == b"kept"
    file.append(b" second")
    file.fsync()
    assert path.read_bytes() == b"kept second"
    file.replace([b"much ", b"longer"])
    file.append(b" now")
    file.close()
    assert path.read_bytes() == b"much longer now"
