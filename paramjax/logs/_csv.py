"""A log as comma-separated values."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence

from paramjax.logs._columns import VALIDATION
from paramjax.logs._lines import LineWriter


class CSV(LineWriter):
    """A log for spreadsheets and data frames: a header, and a line for each step logged.

    The columns are `step`, the training metrics, and the validation metrics as
    `validation/NAME`, empty in lines without a validation. The first value of a metric adds its
    column to the whole file. An array is one column for each element, `NAME[0]`; true is 1.
    Numbers have the shortest digits that give them back in their own precision, and `nan`, `inf`
    and `-inf` where they are not finite. A new run begins the file anew; a killed run that is
    resumed leaves the same bytes as one that was not.

    Args:
        path: The file; its folder is made if missing.
        every: Training steps that it divides are logged, positive; validations always are.

    Raises:
        TypeError: If `every` is not a whole number.
        ValueError: If it is not positive.

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
        with self.path.open("rb") as file:
            header = file.readline().decode()
        self._columns = next(csv.reader([header]), [])

    def _add_columns(self, names: Sequence[str]) -> None:
        new = [name for name in dict.fromkeys(map(_one_line, names)) if name not in self._columns]
        if not new:
            return
        columns = sorted([*self._columns, *new], key=lambda name: name.startswith(VALIDATION))
        if self._file.size:
            self._file.replace(self._rewritten(columns))
        else:
            self._file.append(_header(columns))
        self._columns = columns

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
