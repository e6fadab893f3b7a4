"""Hashes of arrays and of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np


class Damaged(Exception):
    """A checkpoint is not as it was written; the text says what is wrong with which part."""


Files = dict[str, tuple[int, str]]
"""Path in the folder -> bytes and hash."""


def array_hash(array: np.ndarray, form: str) -> str:
    """SHA-256 of the form and the contents of an array.

    Args:
        array: Any array of numbers.
        form: Its dtype and shape as text, so that equal bytes of another form differ.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> ones = np.ones(2, np.int32)
        >>> array_hash(ones, "int32[2]") == array_hash(ones, "uint32[2]")
        False
    """
    digest = hashlib.sha256(form.encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def describe_files(folder: Path, *, but: str) -> Files:
    """Size and hash of every file in a folder and in those below it.

    Args:
        folder: Where they are.
        but: The name of a file of the folder itself to leave out.

    Returns:
        Path in the folder -> bytes and hash.
    """
    found = _files(folder, but)
    return {name: (path.stat().st_size, _file_hash(path)) for name, path in found.items()}


def check_files(folder: Path, expected: Files, *, but: str) -> None:
    """See that the files of a folder are those that were written, to the bit.

    Args:
        folder: Where they are.
        expected: What `describe_files` said when they were written.
        but: The name of the file that was left out.

    Raises:
        Damaged: With the first file that is missing, added, cut off or changed.
    """
    try:
        found = _files(folder, but)
    except OSError as error:
        raise Damaged(f"its files cannot be listed: {error.strerror}") from error
    if added := sorted(set(found) - set(expected)):
        raise Damaged(f"{added[0]} does not belong to it")
    for name, (size, digest) in expected.items():
        if name not in found:
            raise Damaged(f"{name} is missing")
        try:
            now = found[name].stat().st_size
            if now != size:
                raise Damaged(f"{name} has {now} bytes, expected {size}")
            if _file_hash(found[name]) != digest:
                raise Damaged(f"{name} does not have the hash that it was written with")
        except OSError as error:
            raise Damaged(f"{name} cannot be read: {error.strerror}") from error


def _files(folder: Path, but: str) -> dict[str, Path]:
    """Path in the folder -> path, in order."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir())
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    named.pop(but, None)
    return named


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
