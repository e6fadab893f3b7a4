"""What can go wrong with a file of records: four causes, each with the path and what to do."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class DamagedError(ValueError):
    """A file of records is not a database, or rows of it were changed or deleted."""


class StoreMismatchError(ValueError):
    """A store holds another sweep than the one that opens it, or was written by another version."""


class StoreUnavailableError(OSError):
    """A file of records is whole, but locked, not writable, or on a full disk."""


def differences(known: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between two sets of inputs, in words; empty if nothing does.

    Example:
        >>> differences({"steps": 10, "seeds": 2}, {"steps": 12, "seeds": 2})
        'steps was 10 and is now 12'
    """
    names = sorted(n for n in {*known, *now} if known.get(n) != now.get(n))
    return ", ".join(f"{n} was {known.get(n)!r} and is now {now.get(n)!r}" for n in names)


_CAUSES = {
    "SQLITE_BUSY": (
        errno.EBUSY,
        "is locked by another program ({error}), which may be a database browser or a copy under "
        "way; close it, then call again",
    ),
    "SQLITE_READONLY": (
        errno.EACCES,
        "cannot be written ({error}); change the permissions of the file and its folder, or name "
        "another place",
    ),
    "SQLITE_CANTOPEN": (
        errno.EACCES,
        "cannot be opened ({error}); look whether its folder exists and you may write there, or "
        "name another place",
    ),
    "SQLITE_FULL": (
        errno.ENOSPC,
        "does not fit on its disk ({error}); free some space, then call again",
    ),
    "SQLITE_IOERR": (
        errno.EIO,
        "cannot be read or written ({error}); look at its disk, or name another place",
    ),
    "SQLITE_TOOBIG": (
        errno.EFBIG,
        "cannot hold arrays of a gigabyte in one row ({error}); call without a store",
    ),
    "SQLITE_NOMEM": (errno.ENOMEM, "cannot be read into memory ({error}); free some, call again"),
}
_CAUSES["SQLITE_LOCKED"] = _CAUSES["SQLITE_BUSY"]
_CAUSES["SQLITE_PERM"] = _CAUSES["SQLITE_AUTH"] = _CAUSES["SQLITE_READONLY"]
"""Name of an error of SQLite -> number of the system's error, what it means and what to do."""


def unavailable(path: Path | str, error: BaseException) -> StoreUnavailableError | None:
    """An error of SQLite that leaves the file whole, in words; None for other errors.

    Example:
        >>> import sqlite3
        >>> error = sqlite3.OperationalError("database or disk is full")
        >>> error.sqlite_errorname = "SQLITE_FULL"
        >>> str(unavailable("records.sqlite", error)).partition(";")[0]
        'records.sqlite does not fit on its disk (database or disk is full)'
    """
    name = getattr(error, "sqlite_errorname", None) or ""
    # extended codes, such as SQLITE_READONLY_DIRECTORY, begin with the plain one
    known = next((cause for plain, cause in _CAUSES.items() if name.startswith(plain)), None)
    if known is None:
        return None
    number, text = known
    found = StoreUnavailableError(f"{path} {text.format(error=error)}; what is finished is kept")
    found.errno = number
    return found
