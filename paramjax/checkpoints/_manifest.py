"""What a checkpoint says about itself, so that any damage to it shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from paramjax._format import printable
from paramjax._hashes import content_hash, file_hash

MANIFEST = "manifest.json"
FORMAT = 2

_LARGEST = 2**28
"""Bytes of a manifest, enough for a million arrays."""

Files = dict[str, tuple[int, str]]
"""Path in the folder -> bytes and hash."""


class DamageError(Exception):
    """A checkpoint is not as it was written; the message names the part and what is wrong."""


class Leaf(NamedTuple):
    """One array.

    Attributes:
        form: Dtype and shape, as errors print them, such as "float32[3,2]" or "key<fry>[]".
        dtype: Dtype of the numbers; those of a key are uint32.
        shape: Shape of the numbers.
        key: The generator of a key, None for other arrays.
        hash: SHA-256 of form and numbers.
    """

    form: str
    dtype: str
    shape: tuple[int, ...]
    key: str | None
    hash: str


class Manifest(NamedTuple):
    """The contents of the manifest.

    Attributes:
        step: Steps done.
        saved: Time of the save, in seconds since 1970.
        score: Validation score of these parameters, lower is better; None without one.
        metrics: Last values of the history, for `inspect`.
        validation: Last values of the validation, for `inspect`.
        identity: Name -> what distinguishes this run from others.
        program: Hash of what a step computes.
        extra: JSON values that the run needs beside arrays.
        history: Name -> array in `history.safetensors`.
        leaves: Name -> array in `arrays.safetensors`, in the order of the tree.
        files: Path in the folder -> bytes and hash.
        versions: Package -> version that wrote the checkpoint.
    """

    step: int
    saved: float
    score: float | None
    metrics: dict[str, float]
    validation: dict[str, float]
    identity: dict[str, Any]
    program: str
    extra: dict[str, Any]
    history: dict[str, Leaf]
    leaves: dict[str, Leaf]
    files: Files
    versions: dict[str, str]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest beside the files that it describes, and read it back.

    Raises:
        DamageError: If it reads otherwise than it was written.
    """
    written = _rendered({"format": FORMAT, **manifest._asdict()})
    (folder / MANIFEST).write_bytes(written)
    read_manifest(folder)
    if (folder / MANIFEST).read_bytes() != written:
        raise DamageError(f"{MANIFEST} reads otherwise than it was written")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest, and check its own hash.

    Raises:
        DamageError: If it is missing, or a bit is not as it was written.
        ValueError: If it has another format version.
    """
    body = _body(folder / MANIFEST)
    version = body.pop("format", None)
    if version != FORMAT:
        raise ValueError(
            f"checkpoint {folder}: expected format {FORMAT}, got {version}; install the version of "
            "paramjax that wrote it"
        )
    try:
        return _parsed(body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{MANIFEST} is not as paramjax writes it: {printable(str(error))}"
        raise DamageError(message) from error


def _body(path: Path) -> dict[str, Any]:
    """What the manifest's hash is the hash of."""
    try:
        if not path.is_file():
            raise DamageError(f"{MANIFEST} cannot be read: there is no such file")
        if (size := path.stat().st_size) > _LARGEST:
            raise DamageError(f"{MANIFEST} has {size} bytes, expected at most {_LARGEST}")
        written = path.read_bytes()
        body: dict[str, Any] = json.loads(written)["manifest"]
        whole = written == _rendered(body)
    except OSError as error:
        raise DamageError(f"{MANIFEST} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"{MANIFEST} is not as it was written: {printable(str(error))}"
        raise DamageError(message) from error
    if not whole:
        raise DamageError(f"{MANIFEST} does not agree with its own hash")
    return body


def _parsed(body: dict[str, Any]) -> Manifest:
    """The manifest, whose entries are of the kinds that it declares."""
    leaves, history = (
        {name: _leaf(*entry) for name, entry in body[part].items()}
        for part in ("leaves", "history")
    )
    files = {name: (int(size), str(digest)) for name, (size, digest) in body["files"].items()}
    shown = {
        part: {name: float(value) for name, value in body[part].items()}
        for part in ("metrics", "validation")
    }
    versions = {name: str(version) for name, version in body["versions"].items()}
    for name, kind in (("identity", dict), ("extra", dict), ("program", str)):
        if not isinstance(body[name], kind):
            raise TypeError(f"{name} is a {type(body[name]).__name__}")
    parts = shown | {"leaves": leaves, "history": history, "files": files, "versions": versions}
    score = None if body["score"] is None else float(body["score"])
    numbers = {"step": int(body["step"]), "saved": float(body["saved"]), "score": score}
    return Manifest(**{**body, **parts, **numbers})


def _leaf(form: str, dtype: str, shape: list[int], key: str | None, digest: str) -> Leaf:
    if not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError(f"a shape is {shape}")
    return Leaf(str(form), str(dtype), tuple(shape), key, str(digest))


def describe_files(folder: Path) -> Files:
    """Size and hash of every file of a checkpoint but its manifest."""
    return {name: (path.stat().st_size, file_hash(path)) for name, path in _files(folder).items()}


def check_files(folder: Path, expected: Files) -> None:
    """Raise `DamageError` for the first file that is missing, added, cut off or changed."""
    try:
        found = _files(folder)
    except OSError as error:
        raise DamageError(f"its files cannot be listed: {error.strerror}") from error
    if added := sorted(set(found) - set(expected)):
        raise DamageError(f"{printable(added[0])} does not belong to it")
    for name, (size, digest) in expected.items():
        if name not in found or not found[name].is_file():
            raise DamageError(f"{printable(name)} is missing")
        try:
            now = found[name].stat().st_size
            if now != size:
                raise DamageError(f"{name} has {now} bytes, expected {size}")
            if file_hash(found[name]) != digest:
                raise DamageError(f"{name} does not have the hash that it was written with")
        except OSError as error:
            raise DamageError(f"{name} cannot be read: {error.strerror}") from error


def _files(folder: Path) -> dict[str, Path]:
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir())
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    named.pop(MANIFEST, None)
    return named


def _rendered(body: dict[str, Any]) -> bytes:
    """The file: a hash of the rest, and the rest with one entry of a dict a line."""
    lines = [f'  "{name}": {_lines(value)}' for name, value in body.items()]
    text = "{\n" + ",\n".join(lines) + "\n}"
    return f'{{"sha256": "{content_hash(text)}",\n"manifest": {text}}}\n'.encode()


def _lines(value: Any) -> str:
    if not isinstance(value, dict) or not value:
        return json.dumps(value)
    entries = (f"    {json.dumps(name)}: {json.dumps(entry)}" for name, entry in value.items())
    return "{\n" + ",\n".join(entries) + "\n  }"
