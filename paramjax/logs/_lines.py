"""A log with one line a step, which a resumed run cuts back to its own step."""

from __future__ import annotations

import abc
import itertools
import mmap
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from paramjax.logs._append_file import Arrays, FileWriter
from paramjax.logs._columns import STEP, Columns, texts, training_columns, validation_columns
from paramjax.logs._writer import WriterWarning

_BLOCK = 10_000
"""Lines that are made at once."""

_FIRST = 2**16
"""Bytes of a file that are looked at before it is begun anew."""

_LOOKED_AT = 1000
"""Lines of a file that decide whether it is of this run."""

_NUMBER = re.compile(r"(-?(0|[1-9]\d*)(\.(0|\d*[1-9]))?(e[+-]\d\d+)?|nan|-?inf|null)?")
"""A number in the shortest digits, or none."""


_COMPRESSED = {".gz", ".bz2", ".xz", ".zst", ".zip"}
"""Suffixes at which pandas and others decompress what they read."""


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
        if self.path.suffix.lower() in _COMPRESSED:
            raise ValueError(
                f"{self._name}: a log is plain text, to which lines are added, and readers take "
                f"{self.path.name!r} for a compressed file; leave {self.path.suffix!r} out"
            )
        self._held: dict[str, str] = {}
        self._written: int | None = None  # where the held line begins, once it is in the file

    def open(self, step: int) -> None:
        """Begin the file anew at step 0, or cut off its lines about later steps.

        Args:
            step: Steps done.

        Raises:
            OSError: If the file cannot be written.
            RunInUse: If another run writes it.
            ValueError: If the path holds a file that is not such a log.
        """
        self._leave()
        with self._opened(self.path) as file:
            self._refuse_others()
            file.cut(kept_size(self.path, step, self.number))

    def resume(self, step: int, history: Arrays, validation: Arrays) -> None:
        """Continue after a step; what the file lacks before it is written again."""
        self._leave()
        with self._opened(self.path) as file:
            self._prepare(history, validation)
            size, last, differs = self._compared(self._whole(history, validation))
            if differs is None:
                file.cut(size)
                if last:
                    file.append(last)
                self._hold_last(history, validation)
                return
            self._refuse_other_runs(self._whole(history, validation))
            found = "it was empty" if not file.size else f"its line {differs} was not as written"
            file.replace(self._whole(history, validation))
            self._hold_last(history, validation)
        warnings.warn(
            f"{self._name}: {self.path} is not the log of the {step} steps that are done: {found}; "
            "it was written again from the history in the checkpoint",
            WriterWarning,
            stacklevel=6,
        )

    def _hold_last(self, history: Arrays, validation: Arrays) -> None:
        """Hold the last line, to which the validation after the last step belongs."""
        length = len(next(iter(history.values()), ()))
        rows = {name: array[-1:] for name, array in history.items()}
        columns = training_columns(length, rows, self._every)
        cells = {name: column[-1] for name, column in _texts(columns).items() if column}
        steps = np.asarray(validation.get(STEP, ()), int).tolist()
        if steps[-1:] == [length]:
            cells |= _validation_cells(validation, -1)
        if cells:
            self._held = cells
            self._written = self._file.size - len(self._held_line())

    def _leave(self) -> None:
        """Close the file that is open."""
        if self._open_file is not None:
            self.flush()  # apart from close: if the disk is full, the held line waits for a retry
            self.close()
        self._held, self._written = {}, None

    def _compared(self, lines: Iterable[bytes]) -> tuple[int, bytes, int | None]:
        """How far the file has these lines, what to append then, and where it has others.

        The last line may have a validation besides, which a run that was killed at its end has
        made and the one that goes on makes again.
        """
        size, lines = 0, iter(lines)
        with self.path.open("rb") as file:
            for number, line in enumerate(lines, 1):
                found = file.readline()
                if found == line:
                    size += len(line)
                elif found.startswith(line.rstrip(b"},\n") + b",") and next(lines, None) is None:
                    return size, line, None
                else:
                    return size, b"", number
        return size, b"", None

    def _whole(self, history: Arrays, validation: Arrays) -> Iterator[bytes]:
        """Every line of the log of a run, a header included."""
        length = len(next(iter(history.values()), ()))
        steps = np.asarray(validation.get(STEP, ()), int).tolist()
        validated = {step: _validation_cells(validation, row) for row, step in enumerate(steps)}
        ends = sorted({*validated, *range(_BLOCK, length, _BLOCK), length})
        for start, end in itertools.pairwise([0, *ends]):
            rows = {name: array[start:end] for name, array in history.items()}
            columns = training_columns(start + 1, rows, self._every)
            cells = list(zip(*_texts(columns).values(), strict=True))
            besides = validated.get(end, {})
            names, last = list(columns), dict[str, str]()
            if besides:
                ended = bool(cells) and cells[-1][0] == str(end)
                last = (dict(zip(names, cells.pop(), strict=True)) if ended else {}) | besides
            for line in self._lines(names, cells):
                yield line.encode()
            for line in self._lines(list(last), [tuple(last.values())] if last else []):
                yield line.encode()

    def _refuse_other_runs(self, lines: Iterator[bytes]) -> None:
        """Raise if the file has lines, and no number in them is of this run."""
        first = next(lines, b"")
        with self.path.open("rb") as file:
            found = [line for line in itertools.islice(file, _LOOKED_AT) if line.strip(b"\0\n")]
        rows = [line for line in found if line.endswith(b"\n") and line != first]
        if not found or (not rows and first.startswith(found[0])):
            return  # there is nothing but a part of the first line
        if self._values(found).isdisjoint(self._values(itertools.chain([first], lines))):
            raise ValueError(
                f"{self._name}: expected the log of this run, got another file at {self.path}; "
                "choose another path, or delete it"
            )

    def _values(self, lines: Iterable[bytes]) -> set[tuple[bytes, bytes]]:
        """Step and number, for all numbers in these lines."""
        pairs = set()
        for line in lines:
            match = self.number.match(line)
            if match and match[1]:
                cells = line[match.end() :].strip(b"{},\n").split(b",")
                pairs |= {(match[1], cell.strip()) for cell in cells if cell}
        return pairs

    def write(self, first_step: int, rows: Mapping[str, np.ndarray]) -> None:
        """Log training metrics [steps, ...] from a step on; raises OSError if the disk is full."""
        columns = training_columns(first_step, rows, self._every)
        if not len(columns[STEP]):
            return
        cells = _texts(columns)
        last = {name: column.pop() for name, column in cells.items()}
        self._append(list(cells), list(zip(*cells.values(), strict=True)))
        self._held, self._written = last, None

    def validated(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log a validation, in the line of its step if there is one; raises OSError."""
        columns: Columns = {STEP: np.array([step]), **validation_columns(metrics)}
        cells = {name: texts(column)[0] for name, column in columns.items()}
        if self._held.get(STEP) != str(step):
            self._append()
            self._held, self._written = cells, None
            return
        self._held |= cells
        if self._written is not None:
            self._file.cut(self._written)
            self._written = None
            self._write_held()

    def flush(self) -> None:
        """Return when everything would survive a power failure; raises OSError."""
        self._write_held()
        self._file.fsync()

    def _write_held(self) -> None:
        """Write the line that was held back, which a validation may still change."""
        if self._held and self._written is None:
            self._append()
            self._written = self._file.size - len(self._held_line())

    def _held_line(self) -> bytes:
        lines = self._lines(list(self._held), [tuple(self._held.values())])
        return "".join(lines).encode()

    def _append(self, names: Sequence[str] = (), rows: Sequence[tuple[str, ...]] = ()) -> None:
        """Write the line that was held back, and others."""
        holds = bool(self._held) and self._written is None
        self._add_columns([*(self._held if holds else ()), *names])
        held = self._held_line() if holds else b""
        if piece := held + "".join(self._lines(names, rows)).encode():
            self._file.append(piece)

    def _add_columns(self, names: Sequence[str]) -> None:
        """Prepare the file for columns, some of them new."""
        del names

    @abc.abstractmethod
    def _lines(self, names: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
        """Lines of rows, each with a text for each name."""

    def _refuse_others(self) -> None:
        """Raise unless the first lines of the file are as this class writes them."""
        with self.path.open("rb") as file:
            found = file.read(_FIRST).partition(b"\0")[0]  # zeros: the power failed
        lines = found.splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        begins = whole or not lines or self.beginning.startswith(found[: len(self.beginning)])
        if not begins or not self._is_log(whole):
            raise ValueError(
                f"{self._name}: expected a log of a run, which begins with "
                f"{self.beginning.decode()}, got another file at {self.path}; choose another path, "
                "or delete it"
            )

    def _is_log(self, lines: Sequence[bytes]) -> bool:
        """Whether whole lines are as this class writes them, and their steps increase."""
        rows = [self._cells(line.decode(errors="replace")) for line in self._rows(lines)]
        if not all(row and row[0].isdecimal() and all(map(_NUMBER.fullmatch, row)) for row in rows):
            return False
        steps = [int(row[0]) for row in rows]
        return all(first < second for first, second in itertools.pairwise(steps))

    def _rows(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        """The lines without the header."""
        return lines

    def _prepare(self, history: Arrays, validation: Arrays) -> None:
        """Prepare for the lines of a log that begins with these."""
        del history, validation

    @abc.abstractmethod
    def _cells(self, line: str) -> list[str]:
        """The numbers in a line, none if it is of something else."""


def _texts(columns: Columns) -> dict[str, list[str]]:
    return {name: texts(column) for name, column in columns.items()}


def _validation_cells(validation: Arrays, row: int) -> dict[str, str]:
    """A validation as `validated` writes it."""
    metrics = {name: float(array[row]) for name, array in validation.items() if name != STEP}
    columns: Columns = {STEP: np.asarray(validation[STEP])[row, None]}
    columns |= validation_columns(metrics)
    return {name: texts(column)[0] for name, column in columns.items()}


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
