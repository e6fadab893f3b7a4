"""SQLite tables that find damage: each row carries its hash, and a seal sums up all rows."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from paramjax._files import explained
from paramjax._hashes import content_hash
from paramjax._locks import is_alive
from paramjax.tuning.store._errors import DamagedError, StoreMismatchError, unavailable

FORMAT = 2
"""Of the file, which SQLite calls its user version; before 2 there was no seal."""

TIMEOUT = 30.0
"""Seconds to wait for a lock of another program."""

_SEAL = "CREATE TABLE seal (id INTEGER PRIMARY KEY CHECK (id = 0), total TEXT, rows INTEGER);"


class Tables:
    """Tables whose last column is a hash of the others; safe to use from several threads.

    The seal holds the number of rows and the sum of their hashes, and changes in the same
    transaction as the rows. So rows that were deleted, or older ones that were put back, are
    noticed when the file is opened, and a kill leaves either the rows and seal before or after.

    Args:
        path: The file; it is made if it does not exist.
        schema: Statements that create the tables.
        advice: What to do about damage.
    """

    def __init__(self, path: Path, schema: str, advice: str = "bring the file back") -> None:
        import sqlite3  # a sweep that is kept in memory need not load it

        self.path, self._advice = path, advice
        self._sqlite = sqlite3
        self._lock = threading.Lock()
        if not path.exists():
            self._create(schema)
        with self._explained():
            self._db = sqlite3.connect(path, check_same_thread=False, timeout=TIMEOUT)
        try:
            with self._explained():
                self._check_whole()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows, or replace those of the same primary key, in one transaction."""
        self.insert_all({table: rows})

    def insert_all(self, tables: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
        """Add rows to several tables in one transaction."""
        hashed = {
            name: [(*row, _hash(row)) for row in rows] for name, rows in tables.items() if rows
        }
        if not hashed:
            return
        with self._lock, self._explained(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            total, count = self._sealed()
            for name, rows in hashed.items():
                added, more = self._replace(name, rows)
                total, count = (total + added) % _MODULUS, count + more
            self._db.execute("UPDATE seal SET total = ?, rows = ?", (f"{total:x}", count))

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
        with self._lock, self._explained():
            return self._db.execute(query).fetchall()

    def _create(self, schema: str) -> None:
        """Make the file whole or not at all: an empty file of this name is a damaged one."""
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}-{threading.get_ident()}")
        self._remove_orphans()
        seal = f"{_SEAL} INSERT INTO seal VALUES (0, '0', 0); PRAGMA user_version = {FORMAT};"
        try:
            with self._explained():
                db = self._sqlite.connect(new)
                with contextlib.closing(db):
                    db.executescript(f"PRAGMA synchronous = FULL; BEGIN; {schema} {seal} COMMIT;")
            self._name(new)
        finally:
            new.unlink(missing_ok=True)

    def _remove_orphans(self) -> None:
        """Remove what processes that were killed in `_create` left."""
        for left in self.path.parent.glob(f".{glob.escape(self.path.name)}.*-*"):
            process = left.name.removeprefix(f".{self.path.name}.").partition("-")[0]
            if process.isdigit() and not is_alive(int(process)):
                left.unlink(missing_ok=True)

    def _name(self, new: Path) -> None:
        """Give a new file its name, unless another process was faster."""
        try:
            if not self.path.exists():
                new.replace(self.path)
        except OSError as error:
            raise explained("store", self.path, error) from error

    def _check_whole(self) -> None:
        """Raise unless the file holds what was written to it."""
        self._db.execute("PRAGMA synchronous = FULL")
        # anything else wherever a page is damaged, which reading alone may not come upon
        (answer,) = self._db.execute("PRAGMA integrity_check(1)").fetchone()
        if answer != "ok":
            raise self._damaged(answer)
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        names = self._tables()
        if version != FORMAT:
            self._refuse(version, names)
        # one moment of the file, which another program may be adding to
        self._db.execute("BEGIN")
        seal, found = self._sealed(), self._summed(names)
        self._db.execute("COMMIT")
        if seal != found:
            raise self._damaged(
                f"rows were deleted, or older ones put back: {found[1]} rows are there, the seal "
                f"is of {seal[1]}"
            )

    def _refuse(self, version: int, names: Sequence[str]) -> None:
        """Raise about a file of another format."""
        if "seal" in names or (not names and version == 0):
            raise self._damaged("it is empty" if not names else f"it says format {version}")
        if "trainings" not in names:
            raise foreign(self.path, names)
        raise StoreMismatchError(
            f"store: {self.path} was written by an older paramjax, which would not notice deleted "
            "rows; read it with that version, name another store, or start over"
        )

    def _tables(self) -> list[str]:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        return [name for (name,) in self._db.execute(query) if not name.startswith("sqlite_")]

    def _sealed(self) -> tuple[int, int]:
        """Sum of the hashes and number of rows, as the seal says."""
        row = self._db.execute("SELECT total, rows FROM seal").fetchone()
        try:
            return int(row[0], 16), int(row[1])
        except (TypeError, ValueError) as error:
            raise self._damaged("its seal is gone") from error

    def _summed(self, names: Sequence[str]) -> tuple[int, int]:
        """Sum of the hashes and number of rows that are there."""
        total = count = 0
        for name in names:
            if name != "seal":
                for (own,) in self._db.execute(f"SELECT hash FROM {name}"):
                    total, count = total + _weight(name, own), count + 1
        return total % _MODULUS, count

    def _replace(self, table: str, rows: Sequence[tuple[Any, ...]]) -> tuple[int, int]:
        """Add or replace rows; the change of the sum of hashes and of the number of rows."""
        added = more = 0
        info = self._db.execute(f"PRAGMA table_info({table})").fetchall()
        keys = [(column, name) for column, name, *_, key in info if key]
        where = " AND ".join(f"{name} = ?" for _, name in keys)
        marks = ", ".join("?" * len(info))
        for row in rows:
            which = [row[column] for column, _ in keys]
            query = f"SELECT hash FROM {table} WHERE {where}"
            for (old,) in self._db.execute(query, which).fetchall():
                added, more = added - _weight(table, old), more - 1
            self._db.execute(f"REPLACE INTO {table} VALUES ({marks})", row)
            added, more = added + _weight(table, row[-1]), more + 1
        return added, more

    def _read(
        self, table: str, query: str, values: tuple[Any, ...] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """Rows without their hash, after comparing it."""
        with self._explained():
            for row in self._db.execute(query, values):
                if _hash(row[:-1]) != row[-1]:
                    raise self._damaged(f"row {_short(row)} of {table} is not what was written")
                yield row[:-1]

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Say of an error of SQLite whether the file is locked, not writable, full or damaged."""
        try:
            yield
        except (self._sqlite.ProgrammingError, self._sqlite.IntegrityError):
            raise  # a closed file, or a row that breaks the schema
        except (self._sqlite.DatabaseError, UnicodeDecodeError) as error:
            raise (unavailable(self.path, error) or self._damaged(error)) from error

    def _damaged(self, why: object) -> DamagedError:
        return DamagedError(
            f"{self.path}: not a database of records, or a damaged one ({why}); {self._advice}"
        )


def check_own(path: Path) -> None:
    """Raise if a file is a database of something else, which `fresh` must not delete."""
    import sqlite3

    if not path.is_file():
        return
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
        ) as db:
            names = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return  # damaged, or held by another process
    if names and not names & {"seal", "trainings", "settings"}:
        raise foreign(path, names)


def foreign(path: Path, names: Iterable[str]) -> StoreMismatchError:
    """The error about a database of something else."""
    return StoreMismatchError(
        f"store: {path} is a database of something else, with the tables {sorted(names)}; name "
        "another store"
    )


_MODULUS = 2**64


def _hash(row: Sequence[Any]) -> str:
    text = json.dumps(row, default=content_hash)
    return content_hash(text)[:16]


def _weight(table: str, row_hash: Any) -> int:
    """The part of a row in the sum of its file."""
    return int(content_hash(f"{table} {row_hash}")[:16], 16)


def _short(row: Sequence[Any]) -> tuple[Any, ...]:
    """The columns that name a row."""
    return tuple(value for value in row[:5] if not isinstance(value, bytes))
