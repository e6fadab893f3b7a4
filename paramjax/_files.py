"""Files that survive kills and power failures, and the paths that arguments name."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from paramjax._checks import describe

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|.*://")
"""What is no path: `s3://bucket/run`, also as `Path` writes it, with one slash."""

_REMEDIES = {
    errno.ENOSPC: "make room there, or choose another place",
    errno.EDQUOT: "make room there, or choose another place",
    errno.EFBIG: "raise the limit on the size of files, or choose another place",
    errno.EACCES: "give yourself the right to write there, or choose another place",
    errno.EPERM: "give yourself the right to write there, or choose another place",
    errno.ENOTDIR: "a file is in the way; choose another place",
    errno.EEXIST: "a file is in the way; choose another place",
    errno.EISDIR: "that is a folder; add the name of a file",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOLCK: "choose a folder of a file system that has locks",
    errno.EOPNOTSUPP: "choose a folder of a file system that has locks",
    errno.EMFILE: "close files, or raise the limit with ulimit -n",
}


def absolute_path(what: str, path: str | os.PathLike[str]) -> Path:
    """The path with `~` and the working directory filled in, so that a later chdir changes nothing.

    Args:
        what: The argument, for the message.
        path: Any path of this machine.

    Raises:
        TypeError: If it is not a path.
        ValueError: If it is empty or an address such as `gs://bucket`, or its `~user` is unknown.

    Example:
        >>> absolute_path("CSV", "runs/log.csv") == Path.cwd() / "runs" / "log.csv"
        True
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise TypeError(
            f"{what}: expected a path, got {describe(path)}; pass a path such as 'runs/first'"
        )
    text = os.fspath(path)
    if not text.strip() or "\0" in text or _ADDRESS.match(text):
        raise ValueError(
            f"{what}: expected a path of this machine, got {text!r}; pass a path such as "
            "'runs/first', which may be that of a mounted store"
        )
    try:
        return Path(os.path.abspath(Path(text).expanduser()))
    except RuntimeError:
        raise ValueError(
            f"{what}: expected a path, got {text!r}, whose '~' names no home; write it out"
        ) from None


def make_folder(what: str, folder: Path) -> None:
    """Make a folder and those above it unless it exists.

    Args:
        what: The argument that names it, for the message.
        folder: Its path.

    Raises:
        OSError: If it cannot be made or written, or a file is in the way; the message names the
            argument, the path, the cause and what to do.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as place:
        ...     make_folder("store", Path(place) / "a" / "b")
        ...     os.listdir(place)
        ['a']
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise explained(what, folder, error) from error


def explained(what: str, path: Path, error: OSError) -> OSError:
    """An error of the system as a user needs it: argument, path, cause, and what to do.

    Example:
        >>> print(explained("CSV", Path("a.csv"), OSError(errno.EROFS, "Read-only file system")))
        [Errno 30] CSV: a.csv cannot be written: Read-only file system; choose another place
    """
    cause = error.strerror or str(error)
    message = f"{what}: {path} cannot be written: {cause}; {remedy(error)}"
    return OSError(error.errno or errno.EIO, message)


def remedy(error: BaseException) -> str:
    """What to do about an error of the system.

    Example:
        >>> remedy(OSError(errno.ENOSPC, "No space left on device"))
        'make room there, or choose another place'
    """
    number = error.errno if isinstance(error, OSError) else None
    return _REMEDIES.get(number or 0, "choose another place")


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
