"""A log as JSON, one object a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from paramjax.logs._lines import LineWriter

_ENTRY = r'"(?:[^"\\]|\\.)*": ([^",{}\[\]\s]+)'
_NUMBERS = re.compile(_ENTRY)
_OBJECT = re.compile(rf"\{{{_ENTRY}(?:, {_ENTRY})*\}}\n")

_NOT_FINITE = {"nan": "null", "inf": "null", "-inf": "null"}


class JSONLines(LineWriter):
    """A log for programs: one JSON object a line for each step logged.

    An object has `step`, the training metrics, and `validation/NAME` after a validation. JSON
    knows only finite numbers: others are `null`. An array is one entry for each element,
    `NAME[0]`; true is 1. Numbers have the shortest digits that give them back in their own
    precision. A new run begins the file anew; a killed run that is resumed leaves the same
    bytes as one that was not. What was cut off, changed or deleted between two starts is written
    again from the history in the checkpoint, and a `WriterWarning` says so. A file that is no log
    is refused, and so is one that another run writes.

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
        ...     writer = JSONLines(f"{folder}/log.jsonl", every=2)
        ...     writer.open(0)
        ...     writer.write(1, {"loss": np.array([0.5, 0.1], np.float32)})
        ...     writer.validated(2, {"loss": float("inf")})
        ...     writer.close()
        ...     print(writer.path.read_text(), end="")
        {"step": 2, "loss": 0.1, "validation/loss": null}
    """

    beginning = b'{"step": '
    number = re.compile(rb'\{"step": (\d+)(?=[,}])')

    def _lines(self, names: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
        keys = [f"{json.dumps(name)}: " for name in names]
        for row in rows:
            cells = [_NOT_FINITE.get(cell, cell) for cell in row]
            yield "{" + ", ".join(map(str.__add__, keys, cells)) + "}\n"

    def _cells(self, line: str) -> list[str]:
        is_log = line.startswith(self.beginning.decode()) and _OBJECT.fullmatch(line)
        return _NUMBERS.findall(line) if is_log else []
