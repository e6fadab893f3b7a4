"""One run at a time in a folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Any


class RunInUse(ValueError):
    """Another run, or another process of this one, holds the folder."""


class FolderLock:
    """Holds a folder until it is released or the process ends, however it ends.

    The operating system frees the lock with the process, so a kill leaves none behind. Where
    it knows no such locks (Windows), nothing is held.

    Args:
        folder: An existing folder.

    Raises:
        RunInUse: If another process holds it; the message says which.
        OSError: If the folder cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     lock = FolderLock(Path(folder))
        ...     try:
        ...         FolderLock(Path(folder))
        ...     except RunInUse:
        ...         print("in use")
        ...     lock.release()
        in use
    """

    def __init__(self, folder: Path) -> None:
        # the file is only for the message: one that is damaged changes nothing
        self._file = (folder / "lock").open("a+", encoding="utf-8", errors="replace")
        try:
            _take(self._file.fileno())
            self._file.truncate(0)
            self._file.write(_holder())
            self._file.flush()
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read()
            self._file.close()
            raise RunInUse(
                f"checkpoint_dir: {folder} is in use by another run{_described(holder)}; wait "
                "for it, or choose another folder"
            ) from None
        except OSError:
            with contextlib.suppress(OSError):  # what a full disk refused, closing tries again
                self._file.close()
            raise

    def release(self) -> None:
        """Let others have the folder."""
        self._file.close()


def _take(descriptor: int) -> None:
    try:
        import fcntl
    except ModuleNotFoundError:
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder() -> str:
    """Who holds the folder from now on."""
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    return json.dumps({"process": os.getpid(), "host": socket.gethostname(), "since": now})


def _described(holder: str) -> str:
    """Who holds the folder, as far as the file says it."""
    try:
        known: dict[str, Any] = json.loads(holder)
        return " (process {process} on {host}, since {since})".format(**known)
    except (ValueError, KeyError, TypeError):
        return ""
