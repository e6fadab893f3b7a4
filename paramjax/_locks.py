"""Locks of folders and files, which end with the process that took them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import weakref
from io import FileIO
from pathlib import Path
from typing import Any

from paramjax._files import explained


class RunInUse(ValueError):
    """Another run, of this process or another one, holds the folder or the file."""


class FolderLock:
    """Holds a folder until it is released or the process ends, however it ends.

    The operating system frees the lock with the process, so a kill leaves none behind. Forked
    children do not keep it: they may outlive the process that took it. Where the system has no
    such locks (Windows), nothing is held.

    Args:
        what: The argument that named the folder, for the message.
        folder: An existing folder.
        name: Its file of the lock.

    Raises:
        RunInUse: If it is held already; the message says by which process, if that lives.
        OSError: If the folder cannot be written, or its file system has no locks.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     lock = FolderLock("folder", Path(folder))
        ...     try:
        ...         FolderLock("folder", Path(folder))
        ...     except RunInUse:
        ...         print("in use")
        ...     lock.release()
        in use
    """

    def __init__(self, what: str, folder: Path, name: str = "lock") -> None:
        path = folder / name
        try:
            with _OPENING:  # a fork meanwhile would leave a descriptor open in the child
                # the contents are only for the message: a damaged file changes nothing
                self._file = path.open("ab+", buffering=0)
                _HELD.add(self._file)
        except OSError as error:
            raise explained(what, path, error) from error
        try:
            _take(self._file.fileno())
            self._file.truncate(0)
            self._file.write(_holder())
        except BlockingIOError:
            holder = _described(self._file)
            self._file.close()
            raise RunInUse(
                f"{what}: {folder} is in use by another run{holder}; wait for it, or choose "
                "another folder"
            ) from None
        except OSError as error:
            self._file.close()
            raise explained(what, path, error) from error

    def release(self) -> None:
        """Let others have the folder; a second call does nothing, nor does one in a child."""
        if not self._file.closed:
            with contextlib.suppress(OSError):
                self._file.truncate(0)  # whoever comes next is not told of this process
        self._file.close()


def open_alone(what: str, path: Path) -> FileIO:
    """A file to append to, which no other process can open so until it is closed.

    Where the file system has no locks, it is opened all the same.

    Args:
        what: The argument that named the file, for the message.
        path: The file; its folder exists.

    Raises:
        RunInUse: If it is open so already.
        OSError: If it cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = open_alone("CSV", Path(folder) / "log.csv")
        ...     try:
        ...         open_alone("CSV", Path(folder) / "log.csv")
        ...     except RunInUse:
        ...         print("in use")
        ...     file.close()
        in use
    """
    with _OPENING:
        file = path.open("ab", buffering=0)
        _HELD.add(file)
    try:
        _take(file.fileno())
    except BlockingIOError:
        file.close()
        raise RunInUse(
            f"{what}: {path} is in use by another run; wait for it, or choose another path"
        ) from None
    except OSError:  # no locks here
        return file
    return file


_HELD: weakref.WeakSet[FileIO] = weakref.WeakSet()
"""Files that this process has locked, or is about to."""

_OPENING = threading.Lock()


def _leave_to_parent() -> None:
    """Close the descriptors that a fork has copied, as the lock lasts while one is open."""
    for file in list(_HELD):
        file.close()
    _OPENING.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_OPENING.acquire,
        after_in_parent=_OPENING.release,
        after_in_child=_leave_to_parent,
    )


def _take(descriptor: int) -> None:
    try:
        import fcntl
    except ModuleNotFoundError:
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder() -> bytes:
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    about = {"process": os.getpid(), "host": socket.gethostname(), "since": now}
    return json.dumps(about).encode()


def _described(file: FileIO) -> str:
    """Who holds the folder, as far as the file can be read and the process lives."""
    try:
        file.seek(0)
        known: dict[str, Any] = json.loads(file.read(1000))
        if known["host"] == socket.gethostname() and not is_alive(known["process"]):
            return ""
        return " (process {process} on {host}, since {since})".format(**known)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return ""


def is_alive(process: int) -> bool:
    """Whether a process of this number lives on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it belongs to another user
        return True
    return True
