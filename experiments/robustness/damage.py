"""Flip bits, cut, remove, swap and age files, delete rows: is each damage noticed, or harmless?

Four things lie on a disk: the checkpoints of a run, the store of a sweep, the Optuna storage of a
search, the folder of a benchmark. Again and again a copy of one of them is damaged: a random bit
is flipped, a file is cut at a random byte, removed, added, replaced by its older copy or by that
of another run, or rows of a table are deleted. Then the same call is made again. It must raise an
error of ours, or return, to the bit, what the undamaged one returns; a damaged checkpoint must
also be named. Anything else is printed, and fails.

    python experiments/robustness/damage.py --damages 300
"""

from __future__ import annotations

import argparse
import collections
import random
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from damaged import TARGETS, Target, resumed

MAKES_UP_FOR = (ValueError, OSError)
"""What an error of ours is; those of sqlite3 and KeyErrors say nothing to a user."""


class Place(NamedTuple):
    """A copy that is to be damaged, and where its older and its foreign counterparts lie."""

    folder: Path
    older: Path
    other: Path


def flip(place: Place, file: Path, rng: random.Random) -> str:
    """Change one bit."""
    content = bytearray(file.read_bytes())
    bit = rng.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)
    return f"bit {bit} flipped"


def cut(place: Place, file: Path, rng: random.Random) -> str:
    """Lose the end."""
    content = file.read_bytes()
    length = rng.randrange(len(content))
    file.write_bytes(content[:length])
    return f"cut to {length} bytes"


def remove(place: Place, file: Path, rng: random.Random) -> str:
    """Lose a file."""
    file.unlink()
    return "removed"


def add(place: Place, file: Path, rng: random.Random) -> str:
    """Put a stray file beside another."""
    file.with_name("stray").write_bytes(rng.randbytes(9))
    return "a stray file beside it"


def age(place: Place, file: Path, rng: random.Random) -> str:
    """Put an older copy back."""
    old = place.older / file.relative_to(place.folder)
    shutil.copy(old, file) if old.is_file() else file.unlink()
    return "replaced by its older copy"


def swap(place: Place, file: Path, rng: random.Random) -> str:
    """Put the file of another run there."""
    other = place.other / file.relative_to(place.folder)
    shutil.copy(other, file) if other.is_file() else file.unlink()
    return "replaced by that of another run"


def delete_rows(place: Place, file: Path, rng: random.Random) -> str:
    """Delete one row of a table, or all; a file that is no database is cut."""
    if file.suffix not in (".sqlite", ".db"):
        return cut(place, file, rng)
    with closing(sqlite3.connect(file)) as db, db:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        names = [name for (name,) in db.execute(query)]
        counts = {name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}
        table = rng.choice([name for name in names if counts[name]])
        where = "1" if rng.random() < 0.3 else f"rowid IN (SELECT rowid FROM {table} ORDER BY "
        where += "" if where == "1" else f"rowid LIMIT 1 OFFSET {rng.randrange(counts[table])})"
        deleted = db.execute(f"DELETE FROM {table} WHERE {where}").rowcount
    return f"{deleted} of {counts[table]} rows of {table} deleted"


DAMAGES: dict[Callable[[Place, Path, random.Random], str], int] = {
    flip: 8, cut: 4, remove: 1, add: 1, age: 2, swap: 2, delete_rows: 4,
}  # fmt: skip


def attempt(
    target: Target, good: Place, right: object, rng: random.Random, scratch: Path
) -> tuple[str, str, str | None]:
    """Damage a copy and call again: the kind of damage, how it ended, and what is wrong."""
    folder = scratch / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good.folder, folder)
    place = good._replace(folder=folder)
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.stat().st_size)
    (damage,) = rng.choices(list(DAMAGES), list(DAMAGES.values()))
    file = rng.choice([f for f in files if target.counts(f.relative_to(folder).as_posix())])
    name = file.relative_to(folder).as_posix()
    before = file.read_bytes()
    what = f"{target.name}: {name}: {damage(place, file, rng)}"
    if file.exists() and file.read_bytes() == before and damage is not add:
        return damage.__name__, "changes nothing", None
    try:
        result, said = resumed(target, folder)
    except MAKES_UP_FOR as error:
        raw = type(error) in (ValueError, OSError) and not str(error)
        return damage.__name__, "refused", f"{what}: no message" if raw else None
    except Exception as error:
        return damage.__name__, "raw", f"{what}: {type(error).__name__}: {str(error)[:200]}"
    if result != right:
        return damage.__name__, "wrong", f"{what}: another result; said: {said}"
    missed = target.missed(name, damage.__name__, said)
    if missed:
        return damage.__name__, "not named", f"{what}: {missed}"
    return damage.__name__, "said and mended" if said else "harmless", None


def main() -> None:
    """Damage, tally, and fail if something went unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--damages", type=int, default=300, help="in all")
    parser.add_argument("--of", choices=sorted(TARGETS), help="one instead of all")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    names = [arguments.of] if arguments.of else list(TARGETS)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, name in enumerate(names):
            rng = random.Random(f"{arguments.seed} {name}")
            target, root = TARGETS[name], Path(scratch, name)
            good = Place(root / "good", root / "older", root / "other")
            target.make(good.folder, good.older, good.other)
            right, _ = resumed(target, shutil.copytree(good.folder, root / "right"))
            ends: collections.Counter[str] = collections.Counter()
            kinds: collections.Counter[str] = collections.Counter()
            for _ in range(len(range(number, arguments.damages, len(names)))):
                kind, end, problem = attempt(target, good, right, rng, root)
                kinds[kind] += 1
                ends[end] += 1
                wrong += [problem] if problem else []
            print(f"{name}: {dict(kinds)} -> {dict(ends)}", flush=True)
    print(f"{len(wrong)} of {arguments.damages} damages went wrong", *wrong, sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
