"""A log with one line a step, which a resumed run cuts back to its own step."""

from __future__ import annotations

import abc
import mmap
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from paramjax._files import explained
from paramjax.logs._append_file import AppendFile, FileWriter
from paramjax.logs._columns import STEP, Columns, texts, training_columns, validation_columns


class LineWriter(FileWriter):
    """What `CSV` and `JSONLines` share; see `FileWriter` for the arguments.

    The last line is held back until the next call, because a validation of its step belongs there.
    """

    beginning: ClassVar[bytes]
    """First bytes of the file."""

    number: ClassVar[re.Pattern[bytes]]
    """Matches the beginning of a line; its group is the number of the step, or None in a header."""

    def __init__(self, path: str | os.PathLike[str], every: int = 1) -> None:
        super().__init__(path, every)
        self._held: dict[str, str] = {}

    def open(self, step: int) -> None:
        """Begin the file anew at step 0, or cut off its lines about later steps.

        Args:
            step: Steps done.

        Raises:
            OSError: If the file cannot be written.
            ValueError: If the path holds a file that is not such a log.
        """
        if self._open_file is not None:
            self.flush()  # apart from close: if the disk is full, the held line waits for a retry
            self.close()
        self._held = {}
        try:
            self._refuse_others()
            self._open_file = AppendFile(self.path, kept_size(self.path, step, self.number))
        except OSError as error:
            raise explained(self._name, self.path, error) from error

    def write(self, first_step: int, rows: Mapping[str, np.ndarray]) -> None:
        """Log training metrics [steps, ...] from a step on; raises OSError if the disk is full."""
        columns = training_columns(first_step, rows, self._every)
        if not len(columns[STEP]):
            return
        cells = {name: texts(column) for name, column in columns.items()}
        last = {name: column.pop() for name, column in cells.items()}
        self._append(list(cells), list(zip(*cells.values(), strict=True)))
        self._held = last

    def validated(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log a validation, in the line of its step if there is one; raises OSError."""
        columns: Columns = {STEP: np.array([step]), **validation_columns(metrics)}
        cells = {name: texts(column)[0] for name, column in columns.items()}
        if self._held.get(STEP) == str(step):
            self._held |= cells
        else:
            self._append()
            self._held = cells

    def flush(self) -> None:
        """Return when everything would survive a power failure; raises OSError."""
        self._append()
        self._held = {}
        self._file.fsync()

    def _append(self, names: Sequence[str] = (), rows: Sequence[tuple[str, ...]] = ()) -> None:
        """Write the line that was held back, and others."""
        self._add_columns([*self._held, *names])
        held = self._lines(list(self._held), [tuple(self._held.values())] if self._held else [])
        if piece := "".join([*held, *self._lines(names, rows)]).encode():
            self._file.append(piece)

    def _add_columns(self, names: Sequence[str]) -> None:
        """Prepare the file for columns, some of them new."""
        del names

    @abc.abstractmethod
    def _lines(self, names: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
        """Lines of rows, each with a text for each name."""

    def _refuse_others(self) -> None:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            found = file.read(len(self.beginning)).strip(b"\0")  # zeros: the power failed
        if not self.beginning.startswith(found):
            raise ValueError(
                f"{self._name}: expected a log of a run, which begins with "
                f"{self.beginning.decode()}, got another file at {self.path}; choose another path"
            )


def kept_size(path: Path, step: int, number: re.Pattern[bytes]) -> int:
    """Bytes up to the last whole line about a step or an earlier one, 0 at step 0.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log = Path(folder) / "log.csv"
        ...     _ = log.write_bytes(b"1,0.5\\n2,0.25\\n3,0.12")
        ...     kept_size(log, 2, re.compile(rb"(\\d+),"))
        13
    """
    if not step or not path.exists() or not path.stat().st_size:
        return 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        end = view.rfind(b"\n") + 1
        while end:
            start = view.rfind(b"\n", 0, end - 1) + 1
            match = number.match(view[start : min(end, start + 40)])
            if match and int(match[1] or 0) <= step:
                return end
            end = start
    return 0
