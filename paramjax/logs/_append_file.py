"""A file that grows by whole pieces."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from paramjax._files import atomic_write, fsync, unfinished


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
