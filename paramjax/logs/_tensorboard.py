"""A log that TensorBoard shows."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from paramjax._checks import needs_extra
from paramjax._files import explained
from paramjax.logs._append_file import AppendFile, FileWriter
from paramjax.logs._columns import STEP, training_columns, validation_columns

_NAME = "events.out.tfevents."


class TensorBoard(FileWriter):
    """A log as TensorBoard's events, one event a step with a scalar for each metric.

    Training metrics have their own names, validation metrics are `validation/NAME`; an array is
    one scalar for each element, `NAME[0]`. Each `open` adds a file to the folder, which begins
    as tensorboardX's `purge_step` does: TensorBoard forgets what earlier files say about later
    steps. An event takes about 20 microseconds of processor time, ten times as long as a line of
    CSV: where steps are short, log every 10th or 100th.

    Args:
        folder: Folder of the event files; made if missing.
        every: Training steps that it divides are logged, positive; validations always are.

    Raises:
        ModuleNotFoundError: Without tensorboardX (`pip install "paramjax[tensorboard]"`).
        TypeError: If `every` is not a whole number.
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

    # SummaryWriter itself (tensorboardX 2.6.5) loses events when the disk is full and then blocks
    # its caller forever, returns from flush before its queue is written, and truncates the file
    # that another one began in the same second.

    def __init__(self, folder: str | os.PathLike[str], every: int = 1) -> None:
        with needs_extra("tensorboard"):
            import tensorboardX.proto.event_pb2
            import tensorboardX.record_writer  # noqa: F401
        super().__init__(folder, every)

    def open(self, step: int) -> None:
        """Begin a file; TensorBoard stops showing what others say about later steps.

        Args:
            step: Steps done.

        Raises:
            OSError: If the folder cannot be written.
        """
        self.close()
        try:
            self._open_file = AppendFile(self.path / self._next_name())
        except OSError as error:
            raise explained(self._name, self.path, error) from error
        start = {"status": 1}  # SessionLog.START
        self._file.append(
            _record(step=0, file_version="brain.Event:2")
            + _record(step=step + 1, session_log=start)
        )

    def write(self, first_step: int, rows: Mapping[str, np.ndarray]) -> None:
        """Log training metrics [steps, ...] from a step on; raises OSError if the disk is full."""
        columns = training_columns(first_step, rows, self._every)
        steps = columns.pop(STEP).tolist()
        values = zip(*map(_floats, columns.values()), strict=True)
        records = [_scalars(step, columns, row) for step, row in zip(steps, values, strict=True)]
        if records:
            self._file.append(b"".join(records))

    def validated(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log a validation; raises OSError if the disk is full."""
        columns = validation_columns(metrics)
        self._file.append(_scalars(step, columns, [_floats(c)[0] for c in columns.values()]))

    def flush(self) -> None:
        """Return when everything would survive a power failure."""
        self._file.fsync()

    def _next_name(self) -> str:
        """A name after all others, in which order TensorBoard reads, though the clock went back."""
        found = self.path.glob(f"{_NAME}*") if self.path.is_dir() else ()
        seconds = [path.name.removeprefix(_NAME).split(".")[0] for path in found]
        latest = max((int(second) for second in seconds if second.isdecimal()), default=0)
        return f"{_NAME}{max(int(time.time()), latest + 1):010d}.{socket.gethostname()}"


def _scalars(step: int, tags: Iterable[str], values: Iterable[float]) -> bytes:
    pairs = zip(tags, values, strict=True)
    value = [{"tag": tag, "simple_value": number} for tag, number in pairs]
    return _record(step=step, summary={"value": value})


def _record(**fields: Any) -> bytes:
    """An event in the framing of TFRecord: length, its checksum, the event, its checksum."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    event: bytes = Event(wall_time=time.time(), **fields).SerializeToString()
    length = struct.pack("<Q", len(event))
    sums = [struct.pack("<I", masked_crc32c(part)) for part in (length, event)]
    return length + sums[0] + event + sums[1]


def _floats(column: np.ndarray) -> list[float]:
    """Numbers as float32, which events hold; larger ones are infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        floats: list[float] = column.astype(np.float32).tolist()
    return floats
