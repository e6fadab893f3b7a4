"""The files of a checkpoint, and whether they are as they were written."""

from __future__ import annotations

from pathlib import Path

from paramjax._hashes import file_hash


class Damaged(Exception):
    """A checkpoint is not as it was written; the text says what is wrong with which part."""


Files = dict[str, tuple[int, str]]
"""Path in the folder -> bytes and hash."""


def describe_files(folder: Path, *, but: str) -> Files:
    """Size and hash of every file in a folder and in those below it.

    Args:
        folder: Where they are.
        but: The name of a file of the folder itself to leave out.

    Returns:
        Path in the folder -> bytes and hash.
    """
    found = _files(folder, but)
    return {name: (path.stat().st_size, file_hash(path)) for name, path in found.items()}


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
            if file_hash(found[name]) != digest:
                raise Damaged(f"{name} does not have the hash that it was written with")
        except OSError as error:
            raise Damaged(f"{name} cannot be read: {error.strerror}") from error


def _files(folder: Path, but: str) -> dict[str, Path]:
    """Path in the folder -> path, in order."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir())
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    named.pop(but, None)
    return named
