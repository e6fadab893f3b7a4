"""A log as JSON, one object a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from paramjax.logs._lines import LineWriter

_NO_NUMBERS = {"nan": "null", "inf": "null", "-inf": "null"}


class JSONLines(LineWriter):
    """A log for programs: a JSON object for each step logged, on a line of its own.

    It has `step`, the training metrics, and `validation/NAME` where there was a validation.
    JSON knows only finite numbers: others are `null`. An array is one entry for each element,
    `NAME[0]`; true is 1. Numbers have the shortest digits that give them back in their own
    precision. A run that begins begins the file anew; one that was killed and goes on leaves
    the very bytes of one that was not.

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
            cells = [_NO_NUMBERS.get(cell, cell) for cell in row]
            yield "{" + ", ".join(map(str.__add__, keys, cells)) + "}\n"
