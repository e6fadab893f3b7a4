"""Other people's tables: separators, decimal commas, missing cells, names with spaces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from paramjax.cli._table_form import cells_of, names_of_rows, separator_of, text_of, untitled
from paramjax.data._csv import finite_number

MISSING = frozenset(
    ("", "na", "n/a", "nan", "null", "none", "#n/a", "#na", "missing", "?", "-", ".", "..", "*")
)
"""Cells that stand for a missing value, in any case."""

_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+")
"""With a comma for the decimals, a point stands between thousands."""

_SHOWN = 5
"""Rows that a message lists."""


class Table(NamedTuple):
    """The cells of a file, and what its columns are called.

    Attributes:
        file: Where it comes from.
        names: Of the columns.
        lines: The line of each row in the file, from 1.
        rows: Its cells, as many as there are names.
        comma: Whether a comma parts the decimals.
        remarks: How it was read, where that is not plain, in sentences.
    """

    file: str
    names: tuple[str, ...]
    lines: tuple[int, ...]
    rows: tuple[tuple[str, ...], ...]
    comma: bool
    remarks: tuple[str, ...]

    def column(self, name: str) -> np.ndarray:
        """The numbers of a column, float64[rows], NaN where a cell is missing.

        Raises:
            ValueError: If a cell is neither a number nor missing, all are missing, or two columns
                have this name.
        """
        if self.names.count(name) > 1:
            raise ValueError(f"{self.file}: {self.names.count(name)} columns are called {name!r}")
        index = self.names.index(name)
        values = np.empty(len(self.rows))
        for row, cells in enumerate(self.rows):
            value = self._number(cells[index])
            if value is None:
                raise ValueError(self._no_number(name, index, row))
            values[row] = value
        if np.isnan(values).all():
            raise ValueError(f"{self.file}: column {name!r} has no numbers, all cells are missing")
        return values

    def _number(self, cell: str) -> float | None:
        if cell.lower() in MISSING:
            return np.nan
        if self.comma and (("," in cell and "." in cell) or _THOUSANDS.fullmatch(cell)):
            return None
        return finite_number(cell.replace(",", ".") if self.comma else cell)

    def _no_number(self, name: str, index: int, row: int) -> str:
        cell = self.rows[row][index]
        place = f"{self.file}: line {self.lines[row]}, column {name!r}"
        held = cell if len(cell) <= 40 else f"{cell[:37]}..."
        kinds = list(dict.fromkeys(cells[index] for cells in self.rows))
        words = [kind for kind in kinds if kind and self._number(kind) is None]
        if len(words) > 1 and len(words) >= len(kinds) / 2:
            remedy = (
                f"it is a column of categories or dates ({', '.join(words[:3])}"
                f"{', ...' * (len(words) > 3)}), code it as numbers first"
            )
        elif row == 0 and all(map(self._is_word, self.rows[0])):
            remedy = "if the line holds units, begin it with #"
        elif re.fullmatch(r"[+-]?[\d.,' ]+", cell):
            remedy = "take out the signs between thousands"
        else:
            remedy = "correct the cell, or empty it"
        return f"{place}: expected a number, got {held!r}; {remedy}"

    def _is_word(self, cell: str) -> bool:
        return self._number(cell) is None


def read_table(file: Path) -> Table:
    """Read a table whose first line names the columns, in the form in which it comes.

    Cells are parted by commas, semicolons, tabs, bars or blanks, whichever the lines agree on;
    lines that begin with # and empty ones are skipped, and titles above the names.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no rows, or one of them has another number of cells than the names.
    """
    text, remarks = text_of(file)
    lines = text.split("\n")
    told = re.fullmatch(r"sep=(.)\s*", lines[0])  # as spreadsheets write it
    if told is not None:
        lines[0] = ""
    kept = [line for line in lines if line.strip() and line[0] != "#"]
    if not kept:
        raise ValueError(f"{file}: expected names of columns and rows of numbers, got no lines")
    separator = told[1] if told is not None else separator_of(kept[:50])
    cells = untitled(cells_of(file, lines, separator), remarks)
    first = cells[0][1]
    if all(_is_number(cell) for cell in first if cell.lower() not in MISSING):
        names, remark = _names_above(file, lines[: cells[0][0] - 1], separator, len(first))
        remarks.append(remark)
        body = cells
    else:
        names, body = _without_empty(first), cells[1:]
        if names_of_rows(len(names), [row for _, row in body]):
            names = ("", *names)
    rows = tuple(_fitted(file, line, row, len(names), separator) for line, row in body)
    if not rows:
        raise ValueError(f"{file}: expected rows of numbers below the names, got none")
    comma = _has_decimal_commas(rows, parted=separator == ",")
    if comma:
        remarks.append("a comma parts the decimals")
    return Table(str(file), names, tuple(line for line, _ in body), rows, comma, tuple(remarks))


def _is_number(cell: str) -> bool:
    return finite_number(cell.replace(",", ".")) is not None


def _names_above(
    file: Path, lines: Sequence[str], separator: str, count: int
) -> tuple[tuple[str, ...], str]:
    """Names out of the comment above the numbers, or c1, c2 and so on."""
    comments = [line.lstrip("# \t") for line in lines if line.startswith("#")]
    for _, cells in cells_of(file, comments[-1:], separator):
        names = _without_empty(cells)
        if len(names) == count and not any(finite_number(name) is not None for name in names):
            return names, f"the names of the columns stand in a comment: {', '.join(names)}"
    names = tuple(f"c{index}" for index in range(1, count + 1))
    return names, f"the first line holds numbers: the columns are called c1 to c{count}"


def _without_empty(names: Iterable[str]) -> tuple[str, ...]:
    """The names in one line each, without empty ones at the end."""
    found = [" ".join(name.split()) for name in names]
    while found and not found[-1]:
        found.pop()
    return tuple(found)


def _fitted(
    file: Path, line: int, cells: Sequence[str], count: int, separator: str
) -> tuple[str, ...]:
    """Exactly so many cells; empty ones at the end may be too many, and one too few."""
    least = count - 1 if separator != " " else count
    if any(cells[count:]) or len(cells) < least:
        raise ValueError(
            f"{file}: line {line}: expected {count} cells as in the line of names, got "
            f"{len(cells)}; put a text with the separator in it between double quotes"
        )
    return (*cells[:count], *[""] * (count - len(cells)))


def _has_decimal_commas(rows: Iterable[Sequence[str]], *, parted: bool) -> bool:
    """Whether a comma parts the decimals; between quotes one may also stand between thousands."""
    held = [cell for row in rows for cell in row if "," in cell and _DECIMAL_COMMA.fullmatch(cell)]
    if not parted or not held:
        return bool(held)
    return any(len(cell.partition(",")[2]) != 3 for cell in held)


def listed(places: Sequence[str]) -> str:
    """The first places, and that there are more."""
    return ", ".join(places[:_SHOWN]) + ", ..." * (len(places) > _SHOWN)
