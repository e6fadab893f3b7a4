import struct
import sys
import time

import numpy as np
import pytest

from paramjax.logs import TensorBoard

event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")


def crc32c(data):
    """Castagnoli's polynomial, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def records(content):
    """The records of a TFRecord file, up to one that was cut off."""
    while len(content) >= 12:
        (length,) = struct.unpack("<Q", content[:8])
        if len(content) < length + 16:
            return
        data = content[12 : 12 + length]
        assert struct.unpack("<I", content[8:12]) == (masked(content[:8]),)
        assert struct.unpack("<I", content[12 + length : 16 + length]) == (masked(data),)
        yield data
        content = content[16 + length :]


def shown(folder):
    """What TensorBoard shows: tag -> [(step, value)], files in the order of their names.

    As its `EventAccumulator` does, the start of a session purges events of its step and later.
    """
    values = {}
    for path in sorted(folder.iterdir()):
        assert "tfevents" in path.name
        events = [event_pb2.Event.FromString(data) for data in records(path.read_bytes())]
        assert events[0].file_version == "brain.Event:2"
        for event in events:
            if event.session_log.status == event_pb2.SessionLog.START:
                values = {tag: [v for v in all_ if v[0] < event.step]
                          for tag, all_ in values.items()}  # fmt: skip
            for value in event.summary.value:
                values.setdefault(value.tag, []).append((event.step, value.simple_value))
    return values


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


def test_every_scalar_is_there(tmp_path, whole, expected):
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720
    np.testing.assert_equal(shown(whole(TensorBoard(tmp_path / "events")).path), expected)


@pytest.mark.parametrize("step", [20, 0])
def test_after_a_kill_nothing_is_shown_twice(step, tmp_path, go_on, expected):
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


def test_files_keep_their_order_though_the_clock_goes_back(tmp_path, monkeypatch):
    writer = TensorBoard(tmp_path)
    writer.open(0)
    writer.validated(3, {"a": 1.0})
    monkeypatch.setattr(time, "time", lambda: 12.0)
    writer.open(2)
    writer.validated(3, {"a": 2.0})
    writer.close()
    assert shown(tmp_path) == {"validation/a": [(3, 2.0)]}


def test_steps_are_thinned_and_large_numbers_are_infinite(tmp_path):
    writer = TensorBoard(tmp_path, every=10)
    writer.open(0)
    writer.write(1, {"a": np.array([1e300] * 25)})
    writer.validated(25, {"b": 1e300})
    writer.close()
    inf = float("inf")
    assert shown(tmp_path) == {"a": [(10, inf), (20, inf)], "validation/b": [(25, inf)]}


def test_a_full_disk_damages_no_record(tmp_path, small_disk):
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
