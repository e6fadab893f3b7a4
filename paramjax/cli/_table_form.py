"""The form of other people's tables: encoding, what parts the cells, titles above them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from paramjax.data._csv import finite_number
from paramjax.data._text import decoded, file_bytes

Cells = list[tuple[int, list[str]]]
"""The last line of each row in the file, from 1, and its cells."""

_SEPARATORS = ";\t|,"


def text_of(file: Path) -> tuple[str, list[str]]:
    """The text of a file in the encoding that it seems to have, and a remark if that is a guess."""
    content = file_bytes(file)
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return decoded(str(file), content, "utf-16").removeprefix("\ufeff"), []
    try:
        return decoded(str(file), content), []
    except ValueError:
        remark = "the file is not UTF-8, and was read as cp1252 (Windows)"
        return decoded(str(file), content, "cp1252"), [remark]


def separator_of(lines: Sequence[str]) -> str:
    """The sign that parts most lines into the same number of cells, more than one.

    Example:
        >>> separator_of(["x;y", "1,5;2,5"]), separator_of(["x y", "1  2"]), separator_of(["x"])
        (';', ' ', ',')
    """
    shares = {sign: _agreeing(lines, sign) for sign in _SEPARATORS}
    if max(shares[";"], shares["\t"]) > 0.5:
        shares[","] = 0.0  # commas are decimal ones, or stand in texts
    best = max(shares, key=lambda sign: shares[sign])
    if shares[best] > 0:
        return best
    return " " if all(len(line.split()) > 1 for line in lines) else ","


def _agreeing(lines: Sequence[str], sign: str) -> float:
    """The share of lines that have the most frequent number of cells, if it is above one."""
    try:
        counts = [len(cells) for cells in csv.reader(lines, delimiter=sign)]
    except csv.Error:
        return 0.0
    (most, times), *_ = Counter(counts).most_common(1)
    return times / len(counts) if most > 1 else 0.0


def cells_of(file: Path, lines: Sequence[str], separator: str) -> Cells:
    """The rows that are no comments, their cells without blanks around them."""
    if separator == " ":
        return [
            (at, [cell.strip('"') for cell in line.split()])
            for at, line in enumerate(lines, 1)
            if line.strip() and line[0] != "#"
        ]
    reader = csv.reader(
        io.StringIO("\n".join(lines)), delimiter=separator, strict=True, skipinitialspace=True
    )
    try:
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise ValueError(f"{file}: line {reader.line_num}: {error}; not a table") from None
    return [(at, cells) for at, cells in rows if any(cells) and not cells[0].startswith("#")]


def untitled(cells: Cells, remarks: list[str]) -> Cells:
    """The rows without titles above the names; a remark says where the table begins."""
    (most, _), *_ = Counter(_filled(row) for _, row in cells[:1000]).most_common(1)
    at = 0
    while at + 2 < len(cells) and _is_title(cells[at][1], cells[at + 1][1], most):
        at += 1
    if at:
        remarks.append(f"what stands above line {cells[at][0]} is no part of the table")
    return cells[at:]


def _is_title(row: Sequence[str], after: Sequence[str], most: int) -> bool:
    """Whether a row is shorter than most, holds no number, and does not name what follows."""
    if _filled(row) >= most or any(finite_number(cell) is not None for cell in row):
        return False
    return not names_of_rows(len(row), [after])


def _filled(row: Sequence[str]) -> int:
    """The number of cells up to the last one that is not empty."""
    return max((at for at, cell in enumerate(row, 1) if cell), default=0)


def names_of_rows(count: int, rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows begin with names that the line of names leaves out, as R writes them.

    Example:
        >>> names_of_rows(2, [["first", "1", "2"]]), names_of_rows(2, [["1", "2", ""]])
        (True, False)
    """
    if not rows or any(len(row) != count + 1 for row in rows):
        return False
    ends = any(row[-1] for row in rows)
    return ends and any(finite_number(cell) is not None for cell in rows[0][1:])
