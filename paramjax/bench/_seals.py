"""What notices that files of a benchmark's folder were changed, deleted or replaced by older ones.

A JSON file carries the hash of its own contents. The manifest also holds how many trainings each
store had when it was last written, with a hash over them in the order in which they were added: a
store may hold more, after a kill, but never fewer or others.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from paramjax._hashes import content_hash, file_hash
from paramjax.bench._manifest import MANIFEST, write_json
from paramjax.bench._stored import store_path
from paramjax.tuning import DamagedError
from paramjax.tuning.store._store import Store

SEAL, RECORDS, OUTPUTS = "seal", "records", "outputs"

_CHANGING = threading.RLock()
"""The contestants of a benchmark change its manifest from several threads."""


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a file by JSON that carries its own hash.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "it.json")
        >>> write_sealed(path, {"a": 1})
        >>> read_sealed(path)
        {'a': 1}
        >>> _ = path.write_text(path.read_text().replace("1", "2", 1))
        >>> read_sealed(path)
        Traceback (most recent call last):
        ValueError: it was changed since it was written
    """
    own = {name: entry for name, entry in value.items() if name != SEAL}
    write_json(path, {**own, SEAL: _hash(own)})


def read_sealed(path: Path) -> dict[str, Any]:
    """What `write_sealed` wrote.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no JSON object, or was changed.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, got {type(value).__name__}")
    if value.pop(SEAL, None) != _hash(value):
        raise ValueError("it was changed since it was written")
    return value


def change_manifest(out: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest of a folder; nothing is written if nothing changes."""
    with _CHANGING:
        try:
            about = read_sealed(out / MANIFEST)
        except ValueError as error:
            raise DamagedError(f"{out / MANIFEST}: damaged ({error})") from error
        before = _hash(about)
        change(about)
        if _hash(about) != before:
            write_sealed(out / MANIFEST, about)


def note_records(out: Path, stores: Mapping[Path, Store]) -> None:
    """Note in the manifest what stores hold now."""
    held = {_name(out, path): _position(store.hashes()) for path, store in stores.items()}
    change_manifest(out, lambda about: about.setdefault(RECORDS, {}).update(held))


def forget_records(out: Path, path: Path) -> None:
    """Take a store out of the manifest, before it is deleted."""
    change_manifest(out, lambda about: about.setdefault(RECORDS, {}).pop(_name(out, path), None))


def check_store(
    out: Path, path: Path, store: Store, notes: dict[str, Any], about: dict[str, Any]
) -> None:
    """Raise unless a store is the one that belongs there, with all its trainings."""
    if "names" in notes and store_path(out, *notes["names"]) != path:
        workload, optimizer = notes["names"]
        raise DamagedError(
            f"{path}: expected its own trainings, got those of {optimizer} on {workload}: a file "
            "was copied or renamed; bring the file back, or delete it, and the same bench command "
            "trains anew"
        )
    _check_records(out, path, store, about)


def _check_records(out: Path, path: Path, store: Store, about: Mapping[str, Any]) -> None:
    """Raise `DamagedError` if a store lacks trainings that the manifest knows of."""
    noted = about.get(RECORDS, {}).get(_name(out, path))
    if noted is None:
        return
    hashes = store.hashes()
    if noted != _position(hashes[: noted["trainings"]]):
        raise DamagedError(
            f"{path}: expected the {noted['trainings']} trainings that {MANIFEST} knows of, got "
            f"{len(hashes)}, which are others or fewer: an older copy, or the file of another "
            "folder; bring the file back, or delete it, and the same bench command trains anew"
        )


def lost_records(out: Path, about: Mapping[str, Any]) -> list[Path]:
    """The stores that the manifest knows of and that are gone."""
    return [path for name in about.get(RECORDS, {}) if not (path := out / name).is_file()]


def write_outputs(out: Path, outputs: Mapping[str, Callable[[Path], None]]) -> None:
    """Write what is drawn from the records, and note the hashes of these files.

    A kill meanwhile leaves files without a note, which do not count as changed. A folder
    without a manifest, which is not that of a benchmark, gets the files alone.
    """
    noted = (out / MANIFEST).is_file()
    if noted:
        change_manifest(out, lambda about: about.update({OUTPUTS: {}}))
    for name, write in outputs.items():
        write(out / name)
    if not noted:
        return
    hashes = {name: file_hash(out / name) for name in outputs}
    change_manifest(out, lambda about: about.update({OUTPUTS: hashes}))


def changed_outputs(out: Path, about: Mapping[str, Any]) -> list[Path]:
    """The drawn files that are not as they were written; deleted ones do not count."""
    noted = about.get(OUTPUTS, {})
    files = {out / name: digest for name, digest in noted.items() if (out / name).is_file()}
    return [path for path, digest in files.items() if file_hash(path) != digest]


def _position(hashes: list[str]) -> dict[str, Any]:
    return {"trainings": len(hashes), "hash": content_hash(" ".join(hashes))[:16]}


def _name(out: Path, path: Path) -> str:
    return path.relative_to(out).as_posix()


def _hash(value: Mapping[str, Any]) -> str:
    return content_hash(json.dumps(value, sort_keys=True))[:16]
