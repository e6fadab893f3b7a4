"""Files that survive kills and power failures, and the lock of a folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from paramjax._checks import describe


class RunInUse(ValueError):
    """Another run, of this process or another one, holds the folder."""


def absolute_path(what: str, path: str | os.PathLike[str]) -> Path:
    """The path with `~` and the working directory filled in, so that a later chdir changes nothing.

    Args:
        what: The argument, for the message.
        path: Any path of this machine.

    Raises:
        TypeError: If it is not a path.
        ValueError: If it is empty or an address such as `gs://bucket`.

    Example:
        >>> absolute_path("CSV", "runs/log.csv") == Path.cwd() / "runs" / "log.csv"
        True
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{what}: expected a path, got {describe(path)}")
    text = os.fspath(path)
    if not text or "://" in text:
        raise ValueError(
            f"{what}: expected a path of this machine, got {text!r}; pass a path such as "
            "'runs/first'"
        )
    return Path(os.path.abspath(Path(text).expanduser()))


def fsync(path: Path) -> None:
    """Return when a file, or the names in a folder, would survive a power failure."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unfinished(path: Path) -> Path:
    """Where a file or folder is written before it gets its final name."""
    return path.with_name(f"unfinished_{path.name}")


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends, or not at all.

    A kill, a full disk or a power failure leaves the old contents or the new ones. Two processes
    must not write one path at once.

    Args:
        path: Where the file belongs; its folder exists.

    Raises:
        OSError: If it cannot be written; it names the path.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_write(Path(folder) / "result") as file:
        ...         _ = file.write(b"whole")
        ...     os.listdir(folder)
        ['result']
    """
    draft = unfinished(path)
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)
        raise
    fsync(path.parent)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a whole file as `atomic_write` does; text as UTF-8."""
    encoded = content.encode() if isinstance(content, str) else content
    with atomic_write(path) as file:
        file.write(encoded)


class FolderLock:
    """Holds a folder until it is released or the process ends, however it ends.

    The operating system frees the lock with the process, so a kill leaves none behind. Where
    it has no such locks (Windows), nothing is held.

    Args:
        what: The argument that named the folder, for the message.
        folder: An existing folder.

    Raises:
        RunInUse: If another process holds it; the message says which.
        OSError: If the folder cannot be written.

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

    def __init__(self, what: str, folder: Path) -> None:
        # the contents are only for the message: a damaged file changes nothing
        self._file = (folder / "lock").open("a+", encoding="utf-8", errors="replace")
        try:
            _take(self._file.fileno())
            self._file.truncate(0)
            self._file.write(_holder())
            self._file.flush()
        except BlockingIOError:
            self._file.seek(0)
            holder = _described(self._file.read())
            self._file.close()
            raise RunInUse(
                f"{what}: {folder} is in use by another run{holder}; wait for it, or choose "
                "another folder"
            ) from None
        except OSError:
            with contextlib.suppress(OSError):  # closing tries again what a full disk refused
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
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    return json.dumps({"process": os.getpid(), "host": socket.gethostname(), "since": now})


def _described(holder: str) -> str:
    """Who holds the folder, as far as the lock file can be read."""
    try:
        known: dict[str, Any] = json.loads(holder)
        return " (process {process} on {host}, since {since})".format(**known)
    except (ValueError, KeyError, TypeError):
        return ""
