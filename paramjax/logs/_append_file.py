"""A file that grows by whole pieces, and what the logs that write one share."""

from __future__ import annotations

import abc
import os
from collections.abc import Iterable
from pathlib import Path

from paramjax._checks import check_count
from paramjax._files import absolute_path, atomic_write, fsync, unfinished


class AppendFile:
    """A file that grows at its end; a piece that the disk does not take leaves nothing behind.

    Args:
        path: The file; its folder is made if missing.
        size: Bytes of it that stay, the others are cut off.

    Raises:
        OSError: If it cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = AppendFile(Path(folder) / "logs" / "log")
        ...     file.append(b"whole pieces")
        ...     file.close()
        ...     (Path(folder) / "logs" / "log").read_bytes()
        b'whole pieces'
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        self.path, self.size = path, size
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished(path).unlink(missing_ok=True)
        self._file = path.open("ab", buffering=0)
        self._file.truncate(size)
        self._is_whole, self._is_synced, self._folder_is_synced = True, False, False

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
        self._file.close()
        self._file = self.path.open("ab", buffering=0)
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

    @property
    def _file(self) -> AppendFile:
        if self._open_file is None:
            raise ValueError(f"{self._name}: {self.path} is not open; call open(step)")
        return self._open_file
