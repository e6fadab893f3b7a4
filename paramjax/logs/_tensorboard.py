"""A log that TensorBoard shows."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from paramjax._checks import check_count, needs_extra
from paramjax._files import absolute_path
from paramjax.logs._append_file import AppendFile
from paramjax.logs._columns import STEP, training_columns, validation_columns

_NAME = "events.out.tfevents."


class TensorBoard:
    """A log as TensorBoard's events, an event a step with a scalar for each metric.

    Training metrics have their own names, validation metrics are `validation/NAME`; an array
    is one scalar for each element, `NAME[0]`. Each time that a run begins or goes on there,
    the folder gets another file, whose beginning tells TensorBoard to forget what earlier
    files say about later steps. An event takes about 20 microseconds of the processor, ten
    times as long as a line of CSV: where steps are short, log every 10th or 100th.

    Args:
        folder: Where the files lie; it is made if need be.
        every: Training steps that it divides are logged, positive; validations always are.

    Raises:
        ModuleNotFoundError: Without tensorboardX (`pip install "paramjax[tensorboard]"`).
        TypeError: If `every` is no whole number.
        ValueError: If it is not positive.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     writer = TensorBoard(folder, every=10)
        ...     writer.open(0)
        ...     writer.validated(100, {"loss": 0.25})
        ...     writer.close()
        ...     len(os.listdir(folder))
        1
    """

    def __init__(self, folder: str | os.PathLike[str], every: int = 1) -> None:
        with needs_extra("tensorboard"):
            import tensorboardX.proto.event_pb2
            import tensorboardX.record_writer  # noqa: F401
        self.folder = absolute_path("TensorBoard", folder)
        self._every = check_count("TensorBoard: every", every)
        self._file: AppendFile | None = None

    def open(self, step: int) -> None:
        """Begin a file; what others say about later steps will not be shown.

        Args:
            step: Steps done.

        Raises:
            OSError: If the folder cannot be written.
        """
        self.close()
        try:
            self._file = AppendFile(self.folder / self._next_name())
        except OSError as error:
            error.add_note(f"TensorBoard: {self.folder} cannot be written; choose another folder")
            raise
        start = {"status": 1}  # SessionLog.START
        self._file.append(
            _record(step=0, file_version="brain.Event:2")
            + _record(step=step + 1, session_log=start)
        )

    def write(self, first_step: int, rows: Mapping[str, np.ndarray]) -> None:
        """Log the training metrics of steps in a row.

        Args:
            first_step: Number of the first of them, counted from 1.
            rows: Name -> [steps, ...].

        Raises:
            OSError: If the disk does not take them.
        """
        columns = training_columns(first_step, rows, self._every)
        steps = columns.pop(STEP).tolist()
        values = zip(*(_floats(column) for column in columns.values()), strict=True)
        records = (_scalars(step, columns, row) for step, row in zip(steps, values, strict=True))
        self._append(b"".join(records))

    def validated(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log a validation.

        Args:
            step: Steps done.
            metrics: Name -> value.

        Raises:
            OSError: If the disk does not take it.
        """
        columns = validation_columns(metrics)
        self._append(_scalars(step, columns, [_floats(column)[0] for column in columns.values()]))

    def flush(self) -> None:
        """Return when everything would survive a power failure."""
        self._opened.to_disk()

    def close(self) -> None:
        """Flush, and let the file go."""
        if self._file is None:
            return
        try:
            self.flush()
        finally:
            self._file.close()
            self._file = None

    @property
    def _opened(self) -> AppendFile:
        if self._file is None:
            raise ValueError(f"TensorBoard: {self.folder} is not open; call open(step)")
        return self._file

    def _append(self, piece: bytes) -> None:
        if piece:
            self._opened.append(piece)

    def _next_name(self) -> str:
        """TensorBoard reads files in the order of their names, so a clock that went back waits."""
        found = self.folder.glob(f"{_NAME}*") if self.folder.is_dir() else ()
        seconds = [path.name.removeprefix(_NAME).split(".")[0] for path in found]
        latest = max((int(second) for second in seconds if second.isdecimal()), default=0)
        return f"{_NAME}{max(int(time.time()), latest + 1):010d}.{socket.gethostname()}"


def _scalars(step: int, tags: Any, values: Any) -> bytes:
    pairs = zip(tags, values, strict=True)
    value = [{"tag": tag, "simple_value": number} for tag, number in pairs]
    return _record(step=step, summary={"value": value})


def _record(**fields: Any) -> bytes:
    """An event in the framing of TFRecord: length, its checksum, the event, its checksum."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    event = Event(wall_time=time.time(), **fields).SerializeToString()
    length = struct.pack("<Q", len(event))
    sums = [struct.pack("<I", masked_crc32c(part)) for part in (length, event)]
    return length + sums[0] + event + sums[1]


def _floats(column: np.ndarray) -> list[float]:
    """Numbers that fit into float32, as events hold them; larger ones are infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return column.astype(np.float32).tolist()
