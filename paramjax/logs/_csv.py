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
    `validation/NAME`, empty where there is none. When a metric first comes, the file gets its
    column at once. An array is one column for each element, `NAME[0]`; true is 1. Numbers
    have the shortest digits that give them back in their own precision, and `nan`, `inf` and
    `-inf` where they are not finite. A run that begins begins the file anew; one that was
    killed and goes on leaves the very bytes of one that was not.

    Args:
        path: Where the file lies; its folder is made if need be.
        every: Training steps that it divides are logged, positive; validations always are.

    Raises:
        TypeError: If `every` is no whole number.
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
        """Begin the file anew at step 0, or cut off what it says about later steps.

        Args:
            step: Steps done.

        Raises:
            OSError: If the file cannot be written.
            ValueError: If there is another file, which is no such log.
        """
        super().open(step)
        with self.path.open("rb") as file:
            header = file.readline().decode()
        self._columns = next(csv.reader([header]), [])

    def _extend(self, names: Sequence[str]) -> None:
        new = [name for name in dict.fromkeys(map(_clean, names)) if name not in self._columns]
        if not new:
            return
        columns = sorted([*self._columns, *new], key=lambda name: name.startswith(VALIDATION))
        if self._opened.size:
            self._opened.replace(self._rewritten(columns))
        else:
            self._opened.append(_header(columns))
        self._columns = columns

    def _lines(self, names: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
        order = _order(list(map(_clean, names)), self._columns)
        if order == list(range(len(names))):
            return (f"{','.join(row)}\n" for row in rows)
        return (_line((*row, ""), order) for row in rows)

    def _rewritten(self, columns: list[str]) -> Iterator[bytes]:
        """The file as it would be, had all columns been there from its beginning."""
        order = _order(self._columns, columns)
        yield _header(columns)
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                yield _line((*line.decode().rstrip("\n").split(","), ""), order).encode()


def _order(names: Sequence[str], columns: Sequence[str]) -> list[int]:
    """Where each column lies among the names; the last place holds what is empty."""
    places = {name: place for place, name in enumerate(names)}
    return [places.get(name, len(names)) for name in columns]


def _line(cells: Sequence[str], order: Sequence[int]) -> str:
    return f"{','.join([cells[place] for place in order])}\n"


def _header(columns: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(columns)
    return text.getvalue().encode()


def _clean(name: str) -> str:
    """A name that stays on its line."""
    return name.replace("\r", " ").replace("\n", " ")
