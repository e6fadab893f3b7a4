"""The stores of a benchmark's folder: one file for each optimizer on each workload."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from paramjax._hashes import content_hash
from paramjax.populations import ChunkResult
from paramjax.populations._outcome import outcomes
from paramjax.tuning import StoreMismatchError
from paramjax.tuning.store._store import Store

FOLDER = "records"
OLD_FILE = "records.sqlite"
"""The file of the protocol that compared seeds of one chosen trial, before replicates."""


_LONGEST = 160
"""Bytes of a name; file systems take 255 with what stores add. A character has 4 at most."""


class RecordsMismatchError(StoreMismatchError):
    """A folder holds a benchmark that was made under other rules."""


def store_path(out: Path, workload: str, optimizer: str) -> Path:
    """The file of one optimizer on one workload."""
    return Path(out, FOLDER, _safe(workload), f"{_safe(optimizer)}.sqlite")


def _safe(name: str) -> str:
    """A name as that of a file inside a folder; names that would become one have their hash."""
    safe = re.sub(r"[^\w.-]", "-", name)
    if safe == name and name[0] != "." and len(name.encode()) <= _LONGEST:
        return name
    return f"{safe.lstrip('.')[: _LONGEST // 4]}-{content_hash(name)[:6]}"


def check_folder(out: Path) -> None:
    """Raise if the folder holds a benchmark of the protocol before replicates."""
    if (out / OLD_FILE).exists():
        raise RecordsMismatchError(
            f"{out / OLD_FILE} was written by an older paramjax, which compared seeds of one "
            "chosen trial; its trainings cannot be used again: name another --out, or start over "
            "with --fresh"
        )


def check_rules(path: Path, rules: Mapping[str, Any]) -> None:
    """Raise if a store exists whose trainings were made under other rules."""
    if path.exists():
        store, notes = read_store(path)
        store.close()
        _require(path, notes.get("rules", rules), json.loads(json.dumps(dict(rules))))


def open_store(
    path: Path, trials: Sequence[dict[str, Any]], rules: Mapping[str, Any], program: str,
    *, before_deleting: Callable[[int], None],
) -> Store:  # fmt: skip
    """The store of an optimizer; trainings of another program of it are deleted.

    `program` names what the optimizer computes and which trials it draws. `before_deleting` gets
    the number of trainings that will be deleted.

    Raises:
        DamagedError: If the file is damaged.
    """
    own = list(trials)
    store = _store(path, own)
    if store.notes().get("program", program) != program:
        before_deleting(len(store.reached()))
        store.close()
        Store.delete(path)
        store = _store(path, own)
    own += store.notes().get("trials", [])[len(own) :]  # an earlier call may have made more
    store.note({"rules": rules, "program": program})
    return store


def read_store(path: Path) -> tuple[Store, dict[str, Any]]:
    """The store of an optimizer and its notes, to read; its trials come from the notes."""
    trials: list[dict[str, Any]] = []
    store = _store(path, trials)
    notes = store.notes()
    trials.extend(notes.get("trials", []))
    return store, notes


def add_chunk(store: Store, chunk: ChunkResult, steps: int) -> None:
    """Keep the trainings of a chunk without their arrays."""
    bare: dict[str, Any] = {"params": (), "model_state": (), "history": {}, "curve": {}}
    store.add([outcome._replace(**bare) for outcome in outcomes(chunk, steps)])


def _store(path: Path, trials: Sequence[dict[str, Any]]) -> Store:
    # one damaged file costs one optimizer; --fresh would cost all
    return Store(path, trials, _templates, fresh="the same command after deleting this file")


def _templates(trial: int) -> tuple[Any, Any]:
    del trial
    return ((), (), {}, {}), None


def _require(path: Path, known: Mapping[str, Any], rules: Mapping[str, Any]) -> None:
    """Raise unless trainings were made under the same rules."""
    names = sorted(n for n in {*known, *rules} if known.get(n) != rules.get(n))
    if names:
        changes = "; ".join(
            f"{name} was {known.get(name)!r} and is now {rules.get(name)!r}" for name in names
        )
        raise RecordsMismatchError(
            f"{path} was made under other rules: {changes}; call the benchmark as it was, name "
            "another --out, or start over with --fresh"
        )
