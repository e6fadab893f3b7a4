"""The storage of an Optuna study: its file, and its errors in words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from paramjax.tuning.store._errors import DamagedError, unavailable


def file_of_study(study: Any) -> Path | None:
    """The file in which a study keeps its trials; None in memory or behind a server."""
    storage = study._storage
    url = getattr(getattr(storage, "_backend", storage), "url", None)
    if isinstance(url, str) and url.startswith("sqlite"):
        name = url.partition(":///")[2].partition("?")[0]
        in_memory = name in ("", ":memory:") or name.startswith("file:")
        return None if in_memory else Path(name).absolute()
    journal = getattr(getattr(storage, "_backend", None), "_file_path", None)
    return Path(journal).absolute() if isinstance(journal, str) else None


@contextlib.contextmanager
def explained_storage(study: Any) -> Iterator[None]:
    """Say of an error of the study's database whether it is locked, not writable, full or damaged.

    Raises:
        StoreUnavailableError: If the file is whole, but cannot be used now.
        DamagedError: If it is damaged.
    """
    try:
        yield
    except Exception as error:
        cause = _of_sqlite(error)
        if cause is None:
            raise
        path = file_of_study(study) or "the storage of the study"
        raise unavailable(f"study: {path}", cause) or DamagedError(
            f"study: {path}: not a database of studies, or a damaged one ({cause}); bring the "
            "file back, or create the study in another one"
        ) from error


def _of_sqlite(error: BaseException | None) -> BaseException | None:
    """The error of SQLite behind one of SQLAlchemy or Optuna; None if it is another error."""
    import sqlite3

    if error is None or type(error).__module__.partition(".")[0] not in ("sqlalchemy", "optuna"):
        return None
    own = getattr(error, "orig", None)
    if isinstance(own, sqlite3.DatabaseError):
        return own
    return _of_sqlite(error.__cause__)
