"""What a log of a run can do."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Protocol

import numpy as np


class WriterWarning(UserWarning):
    """A log could not be written; the run continues."""


@typing.runtime_checkable
class Writer(Protocol):
    """A log that `fit` writes while it runs; any class with these methods is one.

    All calls but the first `open` come from one thread, in order. If a call raises, `fit` takes
    it that nothing of the call was written: it warns with `WriterWarning`, continues the run,
    and makes the same call again later, before any other.

    Example:
        >>> class Printed:
        ...     def open(self, step): print("after step", step)
        ...     def write(self, first_step, rows): print(first_step, *rows["loss"])
        ...     def validated(self, step, metrics): print(step, metrics)
        ...     def flush(self): pass
        ...     def close(self): pass
        >>> isinstance(Printed(), Writer)
        True
    """

    def open(self, step: int) -> None:
        """Begin or continue after a step; entries about later steps are dropped.

        Args:
            step: Steps done, 0 for a new run.
        """

    def write(self, first_step: int, rows: Mapping[str, np.ndarray]) -> None:
        """Log the training metrics of consecutive steps.

        Args:
            first_step: Number of the first of them, counted from 1.
            rows: Name -> [steps, ...].
        """

    def validated(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log a validation; the call comes directly after the one with the row of its step.

        Args:
            step: Steps done.
            metrics: Name -> value.
        """

    def flush(self) -> None:
        """Return when everything would survive a power failure."""

    def close(self) -> None:
        """Flush and release the log; `open` may follow."""
