"""A log of one line a step, which a run that goes on cuts back to where it stands."""

from __future__ import annotations

import abc
import mmap
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from paramjax._checks import check_count
from paramjax._files import absolute_path
from paramjax.logs._append_file import AppendFile
from paramjax.logs._columns import STEP, texts, training_columns, validation_columns

Cells = dict[str, str]
"""Column -> what is written there, of one step."""


class LineWriter(abc.ABC):
    """What logs of one line a step share.

    The last line is held back until the next call, for a validation of its step belongs there.

    Args:
        path: Where the file lies; its folder is made if need be.
        every: Training steps that it divides are logged, positive.

    Raises:
        TypeError: If `every` is no whole number.
        ValueError: If it is not positive.
    """

    beginning: ClassVar[bytes]
    """What the file begins with."""

    number: ClassVar[re.Pattern[bytes]]
    """Matches a whole line, with the number of its step, or nothing for a header."""

    def __init__(self, path: str | os.PathLike[str], every: int = 1) -> None:
        self.path = absolute_path(type(self).__name__, path)
        self._every = check_count(f"{type(self).__name__}: every", every)
        self._file: AppendFile | None = None
        self._held: Cells = {}

    def open(self, step: int) -> None:
        """Begin the file anew at step 0, or cut off what it says about later steps.

        Args:
            step: Steps done.

        Raises:
            OSError: If the file cannot be written.
            ValueError: If there is another file, which is no log of this kind.
        """
        if self._file is not None:
            self.flush()
            self.close()
        try:
            self._refuse_others()
            self._file = AppendFile(self.path, kept_size(self.path, step, self.number))
        except OSError as error:
            error.add_note(
                f"{type(self).__name__}: {self.path} cannot be written; choose another path"
            )
            raise

    def write(self, first_step: int, rows: Mapping[str, np.ndarray]) -> None:
        """Log the training metrics of steps in a row.

        Args:
            first_step: Number of the first of them, counted from 1.
            rows: Name -> [steps, ...].

        Raises:
            OSError: If the disk does not take them.
        """
        columns = training_columns(first_step, rows, self._every)
        if not len(columns[STEP]):
            return
        cells = {name: texts(column) for name, column in columns.items()}
        last = {name: column.pop() for name, column in cells.items()}
        self._append(list(cells), list(zip(*cells.values(), strict=True)))
        self._held = last

    def validated(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log a validation, in the line of its step if there is one.

        Args:
            step: Steps done.
            metrics: Name -> value.

        Raises:
            OSError: If the disk does not take it.
        """
        columns = validation_columns(metrics)
        cells = {STEP: str(step)} | {name: texts(column)[0] for name, column in columns.items()}
        if self._held.get(STEP) == str(step):
            self._held |= cells
            return
        self._append()
        self._held = cells

    def flush(self) -> None:
        """Return when everything would survive a power failure.

        Raises:
            OSError: If the disk does not take it.
        """
        self._append()
        self._held = {}
        self._opened.to_disk()

    def close(self) -> None:
        """Flush, and let the file go.

        Raises:
            OSError: If the disk does not take the last line.
        """
        if self._file is None:
            return
        try:
            self.flush()
        finally:
            self._file.close()
            self._file, self._held = None, {}

    @property
    def _opened(self) -> AppendFile:
        if self._file is None:
            raise ValueError(f"{type(self).__name__}: {self.path} is not open; call open(step)")
        return self._file

    def _append(self, names: Sequence[str] = (), rows: Sequence[tuple[str, ...]] = ()) -> None:
        """Write the line that was held back, and others."""
        self._extend([*self._held, *names])
        held = self._lines(list(self._held), [tuple(self._held.values())] if self._held else [])
        piece = "".join([*held, *self._lines(names, rows)]).encode()
        if piece:
            self._opened.append(piece)

    def _extend(self, names: Sequence[str]) -> None:
        """Make room for columns."""
        del names

    @abc.abstractmethod
    def _lines(self, names: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
        """Lines of rows, each a text for each name."""

    def _refuse_others(self) -> None:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            found = file.read(len(self.beginning)).strip(b"\0")  # zeros: the power failed
        if not self.beginning.startswith(found):
            raise ValueError(
                f"{type(self).__name__}: expected a log of a run, which begins with "
                f"{self.beginning.decode()}, got another file at {self.path}; choose another path"
            )


def kept_size(path: Path, step: int, number: re.Pattern[bytes]) -> int:
    """Bytes up to the last whole line that says something about a step, or an earlier one.

    Args:
        path: A log; it may not exist.
        step: Steps done; nothing stays at 0.
        number: Matches a line, with the number of its step, or nothing for a header.

    Returns:
        The bytes.

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
