import sys
import time

import numpy as np
import pytest
from event_files import crc32c

from paramjax.logs import TensorBoard

pytest.importorskip("tensorboardX.proto.event_pb2")


@pytest.fixture
def expected(metrics):
    columns = {
        "loss": metrics["loss"],
        "of_class[0]": metrics["of_class"][:, 0],
        "of_class[1]": metrics["of_class"][:, 1],
        "skipped": metrics["skipped"],
    }
    scalars = {tag: list(enumerate(map(float, column), 1)) for tag, column in columns.items()}
    validated = (10, 20, 30, 40)
    return scalars | {
        "validation/loss": [(step, float(np.float32(1 / step))) for step in validated],
        "validation/accuracy": [(step, 0.5) for step in validated],
    }


def test_every_scalar_is_there(tmp_path, whole, expected, shown):
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720
    np.testing.assert_equal(shown(whole(TensorBoard(tmp_path / "events")).path), expected)


@pytest.mark.parametrize("step", [20, 0])
def test_after_a_kill_nothing_is_shown_twice(step, tmp_path, go_on, expected, shown):
    writer = TensorBoard(tmp_path)
    writer.open(0)
    go_on(writer, 0, 35)
    writer.close()
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-9])  # the last record was half written
    writer.open(step)
    go_on(writer, step)
    writer.close()
    np.testing.assert_equal(shown(tmp_path), expected)


def test_files_keep_their_order_though_the_clock_goes_back(tmp_path, monkeypatch, shown):
    writer = TensorBoard(tmp_path)
    writer.open(0)
    writer.validated(3, {"a": 1.0})
    monkeypatch.setattr(time, "time", lambda: 12.0)
    writer.open(2)
    writer.validated(3, {"a": 2.0})
    writer.close()
    assert shown(tmp_path) == {"validation/a": [(3, 2.0)]}


def test_steps_are_thinned_and_large_numbers_are_infinite(tmp_path, shown):
    writer = TensorBoard(tmp_path, every=10)
    writer.open(0)
    writer.write(1, {"a": np.array([1e300] * 25)})
    writer.validated(25, {"b": 1e300})
    writer.close()
    inf = float("inf")
    assert shown(tmp_path) == {"a": [(10, inf), (20, inf)], "validation/b": [(25, inf)]}


def test_a_full_disk_damages_no_record(tmp_path, small_disk, shown):
    writer = TensorBoard(tmp_path)
    writer.open(0)
    (path,) = tmp_path.iterdir()
    with small_disk(path.stat().st_size + 10), pytest.raises(OSError, match="tfevents"):
        writer.write(1, {"a": np.array([1.0])})
    writer.write(1, {"a": np.array([1.0])})
    writer.close()
    assert shown(tmp_path) == {"a": [(1, 1.0)]}


def test_without_the_package_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX.proto.event_pb2", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "paramjax\[tensorboard\]"'):
        TensorBoard(tmp_path)


def test_what_cannot_be_written_and_wrong_settings_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="TensorBoard: .* a file is in the way; choose another place"):
        TensorBoard(tmp_path / "file" / "events").open(0)
    with pytest.raises(ValueError, match="TensorBoard: every: expected a whole number"):
        TensorBoard(tmp_path, every=0)
    with pytest.raises(ValueError, match=r"is not open; call open\(step\)"):
        TensorBoard(tmp_path).flush()
