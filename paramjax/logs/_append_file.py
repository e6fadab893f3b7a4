"""A file that grows by whole pieces, and what the logs that write one share."""

from __future__ import annotations

import abc
import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from paramjax._checks import check_count
from paramjax._files import absolute_path, atomic_write, explained, fsync, unfinished
from paramjax._locks import open_alone

Arrays = Mapping[str, np.ndarray]
"""Name -> [rows, ...]."""


class AppendFile:
    """A file that grows at its end; a piece that the disk does not take leaves nothing behind.

    Args:
        path: The file; its folder is made if missing.
        what: The argument that named it, for messages.

    Raises:
        OSError: If it cannot be written.
        RunInUse: If another run writes it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = AppendFile(Path(folder) / "logs" / "log")
        ...     file.append(b"whole pieces")
        ...     file.close()
        ...     (Path(folder) / "logs" / "log").read_bytes()
        b'whole pieces'
    """

    def __init__(self, path: Path, what: str = "log") -> None:
        self.path, self._what = path, what
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open_alone(what, path)
        unfinished(path).unlink(missing_ok=True)
        self.size = os.fstat(self._file.fileno()).st_size
        self._is_whole, self._is_synced, self._folder_is_synced = True, False, False

    def cut(self, size: int) -> None:
        """Cut off what is beyond a size."""
        self._file.truncate(size)
        self.size, self._is_synced = size, False

    def append(self, piece: bytes) -> None:
        """Write all of a piece, or raise OSError and leave the file as it was."""
        self._is_synced = False
        try:
            self._repair()
            self._is_whole = False
            rest = memoryview(piece)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            error.filename = str(self.path)
            self._repair()
            raise
        self.size += len(piece)
        self._is_whole = True

    def replace(self, pieces: Iterable[bytes]) -> None:
        """Take other contents at once, or raise OSError; the old ones may be read meanwhile."""
        with atomic_write(self.path) as file:
            file.writelines(pieces)
        replaced, self._file = self._file, open_alone(self._what, self.path)
        replaced.close()
        self.size = os.fstat(self._file.fileno()).st_size
        self._is_synced = self._folder_is_synced = True

    def fsync(self) -> None:
        """Return when the file would survive a power failure."""
        if not self._is_synced:
            os.fsync(self._file.fileno())
            self._is_synced = True
        if not self._folder_is_synced:
            fsync(self.path.parent)
            self._folder_is_synced = True

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _repair(self) -> None:
        if not self._is_whole:
            self._file.truncate(self.size)
            self._is_whole = True


class FileWriter(abc.ABC):
    """A log in one open file: its settings, opening and closing.

    Args:
        path: The file, or the folder of the files.
        every: Training steps that it divides are logged, positive.

    Raises:
        TypeError: If `every` is not a whole number.
        ValueError: If it is not positive.
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 1) -> None:
        self._name = type(self).__name__
        self.path = absolute_path(self._name, path)
        self._every = check_count(f"{self._name}: every", every)
        self._open_file: AppendFile | None = None

    @abc.abstractmethod
    def open(self, step: int) -> None:
        """Begin or continue after a step; entries about later steps are dropped."""

    @abc.abstractmethod
    def resume(self, step: int, history: Arrays, validation: Arrays) -> None:
        """Continue after a step, and write again what is missing before it.

        Args:
            step: Steps done.
            history: Training metrics so far, name -> [steps, ...].
            validation: `step` and the validation metrics so far, name -> [validations].

        Raises:
            OSError: If the log cannot be written.
            RunInUse: If another run writes it.
            ValueError: If the path holds something else than the log of this run.

        Warns:
            WriterWarning: If something was missing, or was not as it was written.
        """

    @abc.abstractmethod
    def flush(self) -> None:
        """Return when everything would survive a power failure; raises OSError."""

    def close(self) -> None:
        """Flush and close the file, if it is open; raises OSError if its end is lost."""
        if self._open_file is None:
            return
        try:
            self.flush()
        finally:
            self._open_file.close()
            self._open_file = None

    @contextlib.contextmanager
    def _opened(self, path: Path) -> Iterator[AppendFile]:
        """The file that a log goes on in; it is closed again if the log is refused."""
        try:
            self._open_file = AppendFile(path, self._name)
            yield self._open_file
        except BaseException as error:
            if self._open_file is not None:
                self._open_file.close()
                self._open_file = None
            if isinstance(error, OSError):
                raise explained(self._name, self.path, error) from error
            raise

    @property
    def _file(self) -> AppendFile:
        if self._open_file is None:
            raise ValueError(f"{self._name}: {self.path} is not open; call open(step)")
        return self._open_file
