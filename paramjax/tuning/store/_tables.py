"""SQLite tables in which every row carries its own hash, so that damage is found."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paramjax._hashes import content_hash


class DamagedError(ValueError):
    """A file of records is not a database, or a row of it was changed."""


class Tables:
    """Tables whose last column is a hash of the others; safe to use from several threads."""

    def __init__(self, path: Path, schema: str, advice: str = "bring the file back") -> None:
        import sqlite3  # a sweep that is kept in memory need not load it

        self.path, self._advice = path, advice
        self._error = sqlite3.DatabaseError
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, timeout=30)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise self._damaged(error) from error
        try:
            self._db.executescript(schema)
            # False wherever a page is damaged, which reading alone may not come upon
            (answer,) = self._db.execute("PRAGMA integrity_check(1)").fetchone()
            if answer != "ok":
                raise sqlite3.DatabaseError(answer)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            self._db.close()
            raise self._damaged(error) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def insert(self, table: str, rows: Sequence[tuple[Any, ...]], *, verb: str = "REPLACE") -> None:
        """Add rows in one transaction."""
        self.insert_all({table: rows}, verb=verb)

    def insert_all(
        self, tables: Mapping[str, Sequence[tuple[Any, ...]]], *, verb: str = "REPLACE"
    ) -> None:
        """Add rows to several tables in one transaction."""
        hashed = {
            name: [(*row, _hash(row)) for row in rows] for name, rows in tables.items() if rows
        }
        with self._lock, self._db:
            for name, rows in hashed.items():
                marks = ", ".join("?" * len(rows[0]))
                self._db.executemany(f"INSERT OR {verb} INTO {name} VALUES ({marks})", rows)

    def select(self, table: str, **equal: Any) -> list[tuple[Any, ...]]:
        """The rows of a table, in the order they were added."""
        where = " AND ".join(f"{column} = ?" for column in equal) or "1"
        query = f"SELECT * FROM {table} WHERE {where} ORDER BY rowid"
        with self._lock:
            return list(self._read(table, query, tuple(equal.values())))

    def check(self, table: str) -> None:
        """Read every row of a table; raise if one is damaged."""
        with self._lock:
            for _ in self._read(table, f"SELECT * FROM {table}"):
                continue

    def columns(self, table: str, names: Sequence[str]) -> list[tuple[Any, ...]]:
        """Some columns of every row, without checking the hashes."""
        query = f"SELECT {', '.join(names)} FROM {table} ORDER BY rowid"
        with self._lock, self._reading():
            return self._db.execute(query).fetchall()

    def _read(
        self, table: str, query: str, values: tuple[Any, ...] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """Rows without their hash, after comparing it."""
        with self._reading():
            for row in self._db.execute(query, values):
                if _hash(row[:-1]) != row[-1]:
                    raise self._damaged(f"row {_short(row)} of {table} is not what was written")
                yield row[:-1]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (self._error, UnicodeDecodeError) as error:
            raise self._damaged(error) from error

    def _damaged(self, why: object) -> DamagedError:
        return DamagedError(
            f"{self.path}: not a database of records, or a damaged one ({why}); {self._advice}"
        )


def _hash(row: Sequence[Any]) -> str:
    text = json.dumps(row, default=content_hash)
    return content_hash(text)[:16]


def _short(row: Sequence[Any]) -> tuple[Any, ...]:
    """The columns that name a row."""
    return tuple(value for value in row[:5] if not isinstance(value, bytes))
