"""Logs are written in a thread, while the run goes on."""

from __future__ import annotations

import collections
import queue
import threading
import time
import types
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paramjax._checks import describe
from paramjax._files import remedy
from paramjax.logs._append_file import Arrays, FileWriter
from paramjax.logs._writer import Writer, WriterWarning

_CAPACITY = 64
"""Calls that may wait before the run does."""

_RETRY_SECONDS = 1.0
"""Pause between two attempts of a writer that fails."""

_NONE: Arrays = types.MappingProxyType({})


class Background:
    """Calls the writers of a run in one thread; without writers there is no thread.

    If a writer fails, one `WriterWarning` says so and its calls are tried again later. Until
    then its rows wait in memory, at most as much as the history of the run.

    Args:
        writers: The logs.

    Raises:
        TypeError: If one of them is not a `Writer`.

    Example:
        >>> import os, tempfile
        >>> from paramjax.logs import CSV
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     logs = Background([CSV(f"{folder}/log.csv")])
        ...     logs.open(0)
        ...     logs.write(1, {"loss": np.array([0.5])})
        ...     logs.flush()
        ...     logs.close()
        ...     os.listdir(folder)
        ['log.csv']
    """

    def __init__(self, writers: Sequence[Writer]) -> None:
        self._logs = [_Log(writer) for writer in _checked(writers)]
        self._calls: queue.Queue[tuple[str, tuple[Any, ...]]] = queue.Queue(_CAPACITY)
        self._thread: threading.Thread | None = None

    def open(self, step: int, history: Arrays | None = None, validation: Arrays = _NONE) -> None:
        """Begin or continue after a step; the first call raises OSError if a log is unwritable.

        With the history so far, which nothing may change any more, logs that can do so check that
        they have all of it.
        """
        if self._thread is not None:
            self._call("open", step)
        elif self._logs:
            self._open_all(step, history, validation)
            self._thread = threading.Thread(target=self._work, name="logs", daemon=True)
            self._thread.start()

    def write(self, first_step: int, rows: Mapping[str, np.ndarray]) -> None:
        """Log the training metrics of consecutive steps; nothing may change the arrays any more."""
        self._call("write", first_step, rows)

    def validated(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log a validation."""
        self._call("validated", step, metrics)

    def flush(self) -> None:
        """Return when each writer has everything on the disk or has failed once more."""
        self._call("flush")
        self._calls.join()
        self._warn_of_failures()

    def close(self) -> None:
        """Write what waits and close the logs; warns with the rows that a log lacks."""
        if self._thread is None:
            return
        self._calls.put(("flush", ()))
        self._calls.put(("close", ()))
        self._thread.join()
        self._thread = None
        for log in self._logs:
            if log.error is not None:
                missing = f"{log.missing} steps are" if log.missing else "its end may be"
                _warn(log, f"{missing} missing in it")

    def _open_all(self, step: int, history: Arrays | None, validation: Arrays) -> None:
        opened: list[Writer] = []
        try:
            for log in self._logs:
                if step and history is not None and isinstance(log.writer, FileWriter):
                    log.writer.resume(step, history, validation)
                else:
                    log.writer.open(step)
                opened.append(log.writer)
        except BaseException:
            for writer in opened:
                writer.close()
            raise

    def _call(self, method: str, *arguments: Any) -> None:
        if self._thread is not None:
            self._calls.put((method, arguments))
            self._warn_of_failures()

    def _warn_of_failures(self) -> None:
        for log in self._logs:
            if log.error is not None and not log.is_warned_of:
                log.is_warned_of = True
                _warn(log, "the run goes on, and the rows are kept and written later")

    def _work(self) -> None:
        while True:
            method, arguments = self._calls.get()
            if method == "close":
                break
            for log in self._logs:
                log.call(method, arguments)
            self._calls.task_done()
        for log in self._logs:
            log.close()


class _Log:
    """A writer, and the calls that wait for it."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.error: BaseException | None = None
        self.is_warned_of = False
        self._waiting: collections.deque[tuple[str, tuple[Any, ...]]] = collections.deque()
        self._next_attempt = 0.0

    @property
    def missing(self) -> int:
        """Training steps that wait."""
        calls = (arguments for method, arguments in self._waiting if method == "write")
        return sum(len(next(iter(rows.values()), ())) for _, rows in calls)

    def call(self, method: str, arguments: tuple[Any, ...]) -> None:
        """Make the calls that wait, and another one."""
        if method != "flush" or not self._waiting or self._waiting[-1][0] != "flush":
            self._waiting.append((method, arguments))
        if self.error is None or method == "flush" or time.monotonic() >= self._next_attempt:
            self._make_calls()

    def close(self) -> None:
        """Close the writer; an error that it already has is the one to report."""
        error = self.error
        self._attempt("close")
        self.error = error or self.error

    def _make_calls(self) -> None:
        while self._waiting:
            method, arguments = self._waiting[0]
            if not self._attempt(method, *arguments):
                return
            self._waiting.popleft()
        self.error, self.is_warned_of = None, False

    def _attempt(self, method: str, *arguments: Any) -> bool:
        try:
            getattr(self.writer, method)(*arguments)
        except BaseException as error:  # a thread that ended would let the run wait forever
            self.error, self._next_attempt = error, time.monotonic() + _RETRY_SECONDS
            return False
        return True


def _checked(writers: Any) -> list[Writer]:
    if isinstance(writers, Writer | str) or not isinstance(writers, Sequence):
        raise TypeError(
            f"logs: expected a list of writers such as [pj.logs.CSV(path)], got {describe(writers)}"
        )
    for writer in writers:
        if isinstance(writer, type) or not isinstance(writer, Writer):
            raise TypeError(
                "logs: expected objects with open, write, validated, flush and close, such as "
                f"pj.logs.CSV(path), got {describe(writer)}"
            )
    return list(writers)


def _warn(log: _Log, consequence: str) -> None:
    name, error = type(log.writer).__name__, log.error
    reason = str(error) or type(error).__name__
    if isinstance(error, OSError):
        reason = f"{reason}; {remedy(error)}"
    warnings.warn(f"{name}: {reason}; {consequence}", WriterWarning, stacklevel=4)
