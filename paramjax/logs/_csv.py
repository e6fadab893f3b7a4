"""A log as comma-separated values."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence

from paramjax.logs._append_file import Arrays
from paramjax.logs._columns import STEP, VALIDATION, training_columns, validation_columns
from paramjax.logs._lines import LineWriter

_LONGEST = 2**24
"""Bytes of a header that are read."""


class CSV(LineWriter):
    """A log for spreadsheets and data frames: a header, and a line for each step logged.

    The columns are `step`, the training metrics, and the validation metrics as
    `validation/NAME`, empty in lines without a validation. The first value of a metric adds its
    column to the whole file. An array is one column for each element, `NAME[0]`; true is 1.
    Numbers have the shortest digits that give them back in their own precision, and `nan`, `inf`
    and `-inf` where they are not finite. A new run begins the file anew; a killed run that is
    resumed leaves the same bytes as one that was not. What was cut off, changed or deleted between
    two starts is written again from the history in the checkpoint, and a `WriterWarning` says so.
    A file that is no log is refused, and so is one that another run writes.

    Args:
        path: The file; its folder is made if missing.
        every: Training steps that it divides are logged, positive; validations always are.

    Raises:
        TypeError: If `every` is not a whole number.
        ValueError: If it is not positive, or the path is named as a compressed file.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     writer = CSV(f"{folder}/log.csv")
        ...     writer.open(0)
        ...     writer.write(1, {"loss": np.array([0.5, 0.1], np.float32)})
        ...     writer.validated(2, {"loss": 0.25})
        ...     writer.close()
        ...     print(writer.path.read_text(), end="")
        step,loss,validation/loss
        1,0.5,
        2,0.1,0.25
    """

    beginning = b"step"
    number = re.compile(rb"step|(\d+)(?=[,\n])")

    def __init__(self, path: str | os.PathLike[str], every: int = 1) -> None:
        super().__init__(path, every)
        self._columns: list[str] = []

    def open(self, step: int) -> None:
        """Begin the file anew at step 0, or cut off its lines about later steps."""
        super().open(step)
        self._columns = self._header_of_file()

    def _prepare(self, history: Arrays, validation: Arrays) -> None:
        first = {name: array[: self._every] for name, array in history.items()}
        trained = training_columns(1, first, self._every)
        values = {name: float(array[0]) for name, array in validation.items() if len(array)}
        values.pop(STEP, None)
        names = [*trained] if len(trained[STEP]) else []
        expected = _with([], [*names, *([STEP, *validation_columns(values)] if values else [])])
        found = self._header_of_file()
        # a validation after the last checkpoint, which comes again, has added its columns
        later = [name for name in found if name.startswith(VALIDATION) and name not in expected]
        self._columns = found if _with(expected, later) == found else expected

    def _whole(self, history: Arrays, validation: Arrays) -> Iterator[bytes]:
        if self._columns:
            yield _header(self._columns)
        yield from super()._whole(history, validation)

    def _header_of_file(self) -> list[str]:
        """The columns that the file has, none if it is empty."""
        with self.path.open("rb") as file:
            return _columns_in(file.readline(_LONGEST))

    def _add_columns(self, names: Sequence[str]) -> None:
        columns = _with(self._columns, names)
        if columns == self._columns:
            return
        if self._file.size:
            self._file.replace(self._rewritten(columns))
        else:
            self._file.append(_header(columns))
        self._columns = columns

    def _is_log(self, lines: Sequence[bytes]) -> bool:
        columns = _columns_in(lines[0]) if lines else []
        if lines and (columns[:1] != [STEP] or _header([*dict.fromkeys(columns)]) != lines[0]):
            return False
        even = all(line.count(b",") == len(columns) - 1 for line in self._rows(lines))
        return even and super()._is_log(lines)

    def _rows(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        return lines[1:]

    def _cells(self, line: str) -> list[str]:
        return line.removesuffix("\n").split(",")

    def _lines(self, names: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
        order = _order(list(map(_one_line, names)), self._columns)
        if order == list(range(len(names))):
            return (f"{','.join(row)}\n" for row in rows)
        return (_line((*row, ""), order) for row in rows)

    def _rewritten(self, columns: list[str]) -> Iterator[bytes]:
        """The file as it would be if it had had all columns from its beginning."""
        order = _order(self._columns, columns)
        yield _header(columns)
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                yield _line((*line.decode().rstrip("\n").split(","), ""), order).encode()


def _columns_in(header: bytes) -> list[str]:
    """The names in a header, none if it cannot be read."""
    try:
        return next(csv.reader([header.decode(errors="replace")]), [])
    except csv.Error:
        return []


def _with(columns: Sequence[str], names: Sequence[str]) -> list[str]:
    """Columns and new ones, those of validations last."""
    every = dict.fromkeys([*columns, *map(_one_line, names)])
    return sorted(every, key=lambda name: name.startswith(VALIDATION))


def _order(names: Sequence[str], columns: Sequence[str]) -> list[int]:
    """The index of each column among the names, the one after the last for an empty cell."""
    indices = {name: index for index, name in enumerate(names)}
    return [indices.get(name, len(names)) for name in columns]


def _line(cells: Sequence[str], order: Sequence[int]) -> str:
    return f"{','.join([cells[index] for index in order])}\n"


def _header(columns: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(columns)
    return text.getvalue().encode()


def _one_line(name: str) -> str:
    return name.replace("\r", " ").replace("\n", " ")
