"""A log that TensorBoard shows."""

from __future__ import annotations

import os
import socket
import time
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from paramjax._checks import needs_extra
from paramjax._locks import open_alone
from paramjax.logs._append_file import Arrays, FileWriter
from paramjax.logs._columns import STEP, training_columns, validation_columns
from paramjax.logs._events import START, is_ours, read_events, record
from paramjax.logs._writer import WriterWarning

_NAME = "events.out.tfevents."


class TensorBoard(FileWriter):
    """A log as TensorBoard's events, one event a step with a scalar for each metric.

    Training metrics have their own names, validation metrics are `validation/NAME`; an array is
    one scalar for each element, `NAME[0]`. Each `open` adds a file to the folder, which begins
    as tensorboardX's `purge_step` does: TensorBoard forgets what earlier files say about later
    steps. If a resumed run finds that events of steps before are missing or damaged, it writes
    all of them again from the history in the checkpoint. A folder with another program's events,
    or one that another run writes to, is refused. An event takes about 20 microseconds of processor
    time, ten times as long as a line of CSV: where steps are short, log every 10th or 100th.

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
            RunInUse: If another run writes to it.
            ValueError: If another program does.
        """
        self._begin(step + 1)

    def resume(self, step: int, history: Arrays, validation: Arrays) -> None:
        """Begin a file after a step, or with all steps where the files before it lack some."""
        self.close()
        found = read_events(self._files())
        steps = np.asarray(validation.get(STEP, ()), int).tolist()
        length = len(next(iter(history.values()), ()))
        expected = set(range(self._every, length + 1, self._every))
        lacks = len(expected - found.trained) + len(set(steps) - set(found.validated))
        if not lacks:
            # a validation after the last checkpoint is made again, or the run goes on without it
            ended = step in found.validated and step not in steps
            self._begin(step if ended else step + 1)
            if ended:
                self.write(step, {name: array[-1:] for name, array in history.items()})
            return
        self._begin(1)
        self.write(1, history)
        for row, validated in enumerate(steps):
            metrics = {name: float(array[row]) for name, array in validation.items()}
            metrics.pop(STEP)
            self.validated(validated, metrics)
        where = f", {found.damaged.name} is damaged" if found.damaged else ""
        warnings.warn(
            f"{self._name}: {self.path} lacked {lacks} events of the {step} steps that are "
            f"done{where}; they were written again from the history in the checkpoint",
            WriterWarning,
            stacklevel=6,
        )

    def _begin(self, step: int) -> None:
        """Begin a file at a step: TensorBoard forgets what others say about it and later ones."""
        self.close()
        for path in self._files():
            if not is_ours(path):
                raise ValueError(
                    f"{self._name}: expected a folder of its own, got {self.path} with the events "
                    f"of another program in {path.name}; choose another folder"
                )
            open_alone(self._name, path).close()  # refused while another run writes it
        with self._opened(self.path / self._next_name()) as file:
            file.cut(0)
            version = record(step=0, file_version="brain.Event:2")
            file.append(version + record(step=step, session_log=START))

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
        values = [_floats(column)[0] for column in columns.values()]
        self._file.append(_scalars(step, columns, values))

    def flush(self) -> None:
        """Return when everything would survive a power failure."""
        self._file.fsync()

    def _files(self) -> list[Path]:
        """The event files in the order in which TensorBoard reads them."""
        return sorted(self.path.glob(f"{_NAME}*")) if self.path.is_dir() else []

    def _next_name(self) -> str:
        """A name after all others, in which order TensorBoard reads, though the clock went back."""
        seconds = [path.name.removeprefix(_NAME).split(".")[0] for path in self._files()]
        latest = max((int(second) for second in seconds if second.isdecimal()), default=0)
        return f"{_NAME}{max(int(time.time()), latest + 1):010d}.{socket.gethostname()}"


def _scalars(step: int, tags: Iterable[str], values: Iterable[float]) -> bytes:
    pairs = zip(tags, values, strict=True)
    value = [{"tag": tag, "simple_value": number} for tag, number in pairs]
    return record(step=step, summary={"value": value})


def _floats(column: np.ndarray) -> list[float]:
    """Numbers as float32, which events hold; larger ones are infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        floats: list[float] = column.astype(np.float32).tolist()
    return floats
