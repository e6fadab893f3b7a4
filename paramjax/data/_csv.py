"""Tables of numbers in CSV files; a cell that is no number is named by line and column."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence

import numpy as np

from paramjax._checks import nearest
from paramjax.data._text import decoded, file_bytes

Column = str | int


def read_csv(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[Column] | None = None,
    header: bool | None = None,
    missing: str | Sequence[str] = (),
    delimiter: str = ",",
    encoding: str = "utf-8",
) -> dict[str, np.ndarray]:
    """Read columns of numbers from a CSV file (RFC 4180), gzipped or not.

    Empty lines are skipped. A file with dates or words is read by naming the other columns.

    Args:
        path: The file.
        columns: Which ones, by name or by number from 0, at least one; None takes all.
        header: Whether the first line names the columns; None takes it as names if none of its
            cells is a number. Without names they are "0", "1", ...
        missing: Cells that stand for missing values and become NaN, such as ("", "NA", "?"), or
            one such cell. By default there are none, and an empty cell is refused. Impute NaN, or
            drop those rows, before training.
        delimiter: Between cells, one character.
        encoding: Of the text, see `read_text`.

    Returns:
        Name -> float64[rows], in the order of `columns`. Of several columns
        `np.column_stack([...])` makes inputs [rows, features].

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no rows, a row has more or fewer cells than the first line, names
            repeat, there is no such column, a cell is not a finite number, or bytes do not decode.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "weather.csv"
        >>> _ = file.write_text("day,degrees\\nMonday,20.5\\nTuesday,18\\n")
        >>> read_csv(file, columns=["degrees"])["degrees"].tolist()
        [20.5, 18.0]
    """
    text = decoded(str(path), file_bytes(path), encoding)
    return parse_csv(
        str(path), text, columns=columns, header=header, missing=missing, delimiter=delimiter
    )


def parse_csv(
    origin: str, text: str, *, columns: Sequence[Column] | None = None, header: bool | None = None,
    missing: str | Sequence[str] = (), delimiter: str = ",",
) -> dict[str, np.ndarray]:  # fmt: skip
    """The columns of a CSV text."""
    rows = _rows(origin, text, delimiter)
    if not rows:
        raise ValueError(f"{origin}: expected rows of numbers, got an empty file")
    absent = frozenset([missing] if isinstance(missing, str) else missing)
    first = rows[0][1]
    if header is None:
        header = all(_number(cell, absent) is None for cell in first)
    names = [name.strip() for name in first] if header else [str(i) for i in range(len(first))]
    chosen = _chosen(origin, names, columns)
    body = rows[1:] if header else rows
    if not body:
        raise ValueError(f"{origin}: expected rows of numbers below the names, got none")
    return {names[index]: _column(origin, body, index, names[index], absent) for index in chosen}


def _rows(origin: str, text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """The number of the last line of each row, from 1, and its cells; all of one length."""
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        raise ValueError(f"delimiter: expected one character, got {delimiter!r}")
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise ValueError(f"{origin}: line {reader.line_num}: {error}; not a CSV file") from None
    for line, cells in rows:
        if len(cells) != len(rows[0][1]):
            raise ValueError(
                f"{origin}: line {line}: expected {len(rows[0][1])} cells as in the first line, "
                f"got {len(cells)}; quote cells that hold {delimiter!r}, or pass delimiter="
            )
    return rows


def _chosen(origin: str, names: list[str], columns: Sequence[Column] | None) -> list[int]:
    """The numbers of the columns to read."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{origin}: expected different names of columns, got {repeated} twice")
    if columns is None:
        return list(range(len(names)))
    if isinstance(columns, str | int):
        raise ValueError(f"columns: expected a list of names, got {columns!r}; pass [{columns!r}]")
    if len(columns) == 0:
        raise ValueError("columns: expected at least one, got none; leave it out to take all")
    return [_index(origin, names, column) for column in columns]


def _index(origin: str, names: list[str], column: Column) -> int:
    if isinstance(column, str):
        if column in names:
            return names.index(column)
        raise ValueError(f"{origin}: {nearest(column, names, what='column')}")
    if not isinstance(column, int | np.integer) or not 0 <= column < len(names):
        raise ValueError(
            f"columns: expected numbers from 0 to {len(names) - 1} or names, got {column!r}"
        )
    return column


def _column(
    origin: str, rows: list[tuple[int, list[str]]], index: int, name: str, absent: frozenset[str]
) -> np.ndarray:
    values = [_number(cells[index], absent) for _, cells in rows]
    if None in values:
        line, cells = rows[values.index(None)]
        held = repr(_short(cells[index])) if cells[index].strip() else "an empty cell"
        named = ", header=True if this line names the columns" if line == 1 else ""
        raise ValueError(
            f"{origin}: line {line}, column {_short(name)!r} (number {index}): expected a finite "
            f"number, got {held}; choose other columns{named}, or pass missing= if it stands for a "
            "missing value"
        )
    return np.array(values, np.float64)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _number(cell: str, absent: frozenset[str]) -> float | None:
    """The number in a cell, NaN for a missing one, None for what is no finite number."""
    cell = cell.strip()
    if cell in absent:
        return math.nan
    return finite_number(cell)


def finite_number(text: str) -> float | None:
    """A number as files write it; Python's own `1_000` and other scripts' digits are none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text and text.isascii() else None
