"""A file that grows by whole pieces."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from paramjax._files import atomic_write, fsync, unfinished


class AppendFile:
    """A file that grows at its end: a piece that does not fit leaves nothing behind.

    Args:
        path: Where it lies; its folder is made if need be.
        size: Bytes of it that stay.

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
        self._whole, self._safe, self._named = True, False, False

    def append(self, piece: bytes) -> None:
        """Write all of it.

        Args:
            piece: Bytes.

        Raises:
            OSError: If the disk does not take it; the file is as it was then.
        """
        self._safe = False
        try:
            self._repair()
            self._whole = False
            rest = memoryview(piece)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            error.filename = str(self.path)
            self._repair()
            raise
        self.size += len(piece)
        self._whole = True

    def replace(self, pieces: Iterable[bytes]) -> None:
        """Put other contents in its place, at once: a kill leaves the old or the new ones.

        Args:
            pieces: The new contents; the old ones may be read meanwhile.

        Raises:
            OSError: If the disk does not take them; the file is as it was then.
        """
        with atomic_write(self.path) as file:
            file.writelines(pieces)
        self._file.close()
        self._file = self.path.open("ab", buffering=0)
        self.size = os.fstat(self._file.fileno()).st_size
        self._safe = self._named = True

    def to_disk(self) -> None:
        """Return when it would survive a power failure."""
        if not self._safe:
            os.fsync(self._file.fileno())
            self._safe = True
        if not self._named:
            fsync(self.path.parent)
            self._named = True

    def close(self) -> None:
        """Let it go."""
        self._file.close()

    def _repair(self) -> None:
        if not self._whole:
            self._file.truncate(self.size)
            self._whole = True
