import threading
import time
import warnings

import numpy as np
import pytest

from paramjax.logs import CSV, JSONLines, WriterWarning
from paramjax.logs._background import Background  # what fit drives its logs by


class Recorder:
    """Remembers its calls, and fails while it is told to."""

    def __init__(self):
        self.calls, self.error, self.threads = [], None, set()

    def _call(self, *call):
        self.threads.add(threading.current_thread().name)
        if self.error is not None:
            raise self.error
        self.calls.append(call)

    def open(self, step):
        self._call("open", step)

    def write(self, first_step, rows):
        self._call("write", first_step, len(rows["loss"]))

    def validated(self, step, metrics):
        self._call("validated", step, metrics)

    def flush(self):
        self._call("flush")

    def close(self):
        self._call("close")


def rows(count=5):
    return {"loss": np.ones(count, np.float32)}


def test_calls_arrive_in_order_in_one_thread_of_their_own():
    writer = Recorder()
    logs = Background([writer])
    logs.open(3)
    assert writer.threads == {threading.current_thread().name}  # the first time errors are raised
    logs.write(4, rows())
    logs.validated(8, {"loss": 1.0})
    logs.open(3)
    logs.flush()
    assert writer.calls == [
        ("open", 3), ("write", 4, 5), ("validated", 8, {"loss": 1.0}), ("open", 3), ("flush",),
    ]  # fmt: skip
    assert [thread.name for thread in threading.enumerate()].count("logs") == 1
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "logs")
    logs.close()
    logs.close()
    assert writer.calls[5:] == [("flush",), ("close",)]
    assert writer.threads == {threading.current_thread().name, "logs"}
    assert "logs" not in [thread.name for thread in threading.enumerate()]


def test_without_writers_there_is_no_thread():
    logs = Background([])
    logs.open(0)
    logs.write(1, rows())
    logs.validated(5, {})
    logs.flush()
    assert "logs" not in [thread.name for thread in threading.enumerate()]
    logs.close()


def test_a_log_that_cannot_be_opened_ends_the_run_before_it_begins(tmp_path):
    first, last = Recorder(), Recorder()
    logs = Background([first, CSV(tmp_path), last])
    with pytest.raises(IsADirectoryError):
        logs.open(0)
    logs.close()
    assert (first.calls, last.calls) == ([("open", 0), ("close",)], [])


def test_a_failure_is_said_once_the_run_goes_on_and_nothing_is_lost():
    bad, good = Recorder(), Recorder()
    logs = Background([bad, good])
    logs.open(0)
    bad.error = OSError(28, "No space left on device", "log.csv")
    logs.write(1, rows())
    with pytest.warns(
        WriterWarning,
        match="Recorder: .*No space left on device: 'log.csv'; make room there, or .*; the",
    ):
        logs.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in (5, 10, 15):
            logs.write(step + 1, rows())
        logs.validated(20, {"loss": 1.0})
        logs.flush()
    assert bad.calls == [("open", 0)]
    bad.error = None
    logs.flush()
    writes = [("write", step, 5) for step in (1, 6, 11, 16)]
    assert [call for call in bad.calls if call != ("flush",)] == [
        ("open", 0), *writes, ("validated", 20, {"loss": 1.0}),
    ]  # fmt: skip
    assert [call for call in good.calls if call[0] == "write"] == writes
    bad.error = RuntimeError("another failure")
    with pytest.warns(WriterWarning, match="Recorder: another failure; the run goes on"):
        logs.flush()
    bad.error = None
    logs.close()
    assert bad.calls[-1] == ("close",)


def test_it_is_tried_again_without_a_flush(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    writer = Recorder()
    logs = Background([writer])
    logs.open(0)
    writer.error = ValueError("not now")
    logs.write(1, rows())
    with pytest.warns(WriterWarning, match="not now"):
        logs.flush()
    writer.error = None
    logs.write(6, rows())
    logs._calls.join()
    assert writer.calls == [("open", 0)]  # not a second has passed
    now[0] = 2.0
    logs.write(11, rows())
    logs._calls.join()
    writes = [call for call in writer.calls if call[0] == "write"]
    assert writes == [("write", first, 5) for first in (1, 6, 11)]
    logs.close()


@pytest.mark.parametrize("error", [OSError("disk gone"), SystemExit(), KeyError("loss")])
def test_what_is_lost_in_the_end_is_said(error):
    writer = Recorder()
    logs = Background([writer])
    logs.open(0)
    writer.error = error
    logs.write(1, rows(7))
    with pytest.warns(WriterWarning, match="the run goes on"):
        logs.flush()
    logs.write(8, rows(3))
    with pytest.warns(WriterWarning, match=r"Recorder: .+; 10 steps are missing in it"):
        logs.close()
    assert "logs" not in [thread.name for thread in threading.enumerate()]


def test_a_slow_writer_holds_the_run_up_only_when_the_queue_is_full():
    may_go_on = threading.Event()

    class Slow(Recorder):
        def write(self, first_step, rows):
            may_go_on.wait(20)
            super().write(first_step, rows)

    writer = Slow()
    logs = Background([writer])
    logs.open(0)
    for step in range(60):
        logs.write(step + 1, rows(1))
    assert [call for call in writer.calls if call[0] == "write"] == []
    threading.Timer(0.05, may_go_on.set).start()
    for step in range(60, 200):
        logs.write(step + 1, rows(1))
    logs.close()
    assert [call[1] for call in writer.calls if call[0] == "write"] == list(range(1, 201))


@pytest.mark.parametrize("kind", [CSV, JSONLines])
def test_files_are_whole_after_a_disk_was_full(kind, tmp_path, whole, go_on, small_disk):
    expected = whole(kind(tmp_path / "expected")).path.read_bytes()
    logs = Background([kind(tmp_path / "log")])
    logs.open(0)
    go_on(logs, 0, 15)
    with (
        small_disk(700),
        pytest.warns(WriterWarning, match=r"File too large: '.*log'; raise the limit.*; the run"),
    ):
        go_on(logs, 15)
    logs.close()
    assert (tmp_path / "log").read_bytes() == expected


def test_files_are_let_go_though_the_disk_stays_full(tmp_path, small_disk):
    logs = Background([CSV(tmp_path / "log.csv")])
    logs.open(0)
    with small_disk(20):
        logs.write(1, rows(100))
        with pytest.warns(WriterWarning, match="the run goes on"):
            logs.flush()
        with pytest.warns(WriterWarning, match="100 steps are missing in it"):
            logs.close()
    assert (tmp_path / "log.csv").read_text() == "step,loss\n"


def test_what_are_no_writers_is_refused(tmp_path):
    with pytest.raises(TypeError, match="logs: expected a list of writers .*, got CSV"):
        Background(CSV(tmp_path / "log.csv"))
    with pytest.raises(TypeError, match="logs: expected a list of writers .*, got int 3"):
        Background(3)
    for wrong in (CSV, "log.csv"):
        with pytest.raises(TypeError, match="logs: expected objects with open, write, validated"):
            Background([wrong])
