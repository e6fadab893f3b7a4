"""Finds the files of a published data set on this machine, or downloads them, and checks them."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from pathlib import Path

from paramjax._files import absolute_path
from paramjax.data._download import DataNotFoundError, download, user_cache
from paramjax.data._sources import Published, Source

VARIABLE = "PARAMJAX_DATA"


def find(source: Source, folder: str | os.PathLike[str] | None) -> tuple[Path, bool]:
    """The place of a data set's files, and whether it is in the folder that the user named.

    Raises:
        DataNotFoundError: If no place has them and they cannot be downloaded.
        ValueError: If a download is damaged.
    """
    named = [] if folder is None else _named(source, folder)
    places = list(named)
    if variable := os.environ.get(VARIABLE, "").strip():
        places += _within(source, absolute_path(VARIABLE, variable))
    places.append(user_cache() / source.folder)
    for place in places:
        if _holds(source, place):
            return place, place in named
    return download(source, places, check), False


def read(source: Source, place: Path) -> list[bytes]:
    """The checked bytes of all files at one place, unpacked; sets are not put together of several.

    Raises:
        DataNotFoundError: If some are missing there.
        ValueError: If one is damaged, or another file of the same name.
    """
    archive = source.archive and stored(place, source.archive)
    if source.archive and archive and not all(stored(place, part) for part in source.files):
        return _members(source, check(source.archive, archive.read_bytes(), str(archive)))
    return [
        check(part, path.read_bytes(), str(path))
        for part, path in zip(source.files, complete(source, place), strict=True)
    ]


def complete(source: Source, place: Path) -> list[Path]:
    """The files of a data set as they lie at one place.

    Raises:
        DataNotFoundError: If some are missing there.
    """
    paths = [stored(place, part) for part in source.files]
    lacking = [part.name for part, path in zip(source.files, paths, strict=True) if path is None]
    if lacking:
        raise DataNotFoundError(
            "\n  ".join([f"{source.title}: {place} lacks", *lacking])
            + "\nPlace all of its files there."
        )
    return [path for path in paths if path is not None]


def stored(place: Path, part: Published) -> Path | None:
    """A file of the data set as it lies there, gzipped or not."""
    both = (place / part.name, place / f"{part.name}.gz")
    return next((path for path in both if path.is_file()), None)


def check(part: Published, content: bytes, origin: str) -> bytes:
    """The bytes of a file, unpacked, if they are those that were published.

    Raises:
        ValueError: If they are not; it names both checksums.
    """
    if content[:2] == b"\x1f\x8b" and not part.name.endswith(".gz"):
        content = _unpacked(part, content, origin)
    found = hashlib.sha256(content).hexdigest()
    if found not in part.sha256:
        raise ValueError(
            f"{origin}: damaged, or another file of this name; fetch it again\n"
            f"  expected {part.name} of sha256 {part.sha256[0]}\n"
            f"  got {len(content):,} bytes of sha256 {found}"
        )
    return content


def fits(part: Published, path: Path) -> bool:
    """Whether a file is the one that was published."""
    try:
        check(part, path.read_bytes(), str(path))
    except ValueError:
        return False
    return True


def _named(source: Source, folder: str | os.PathLike[str]) -> list[Path]:
    """Where files may lie in the folder that the user named, which must exist."""
    given = absolute_path("folder", folder)
    if not given.is_dir():
        raise DataNotFoundError(
            f"{source.title}: folder: expected a folder that exists, got {str(given)!r}"
        )
    return _within(source, given)


def _within(source: Source, root: Path) -> list[Path]:
    """A folder of data sets, or of this one."""
    return [root / source.folder, root]


def _holds(source: Source, place: Path) -> bool:
    """Whether one of the files is there."""
    return any(stored(place, part) for part in (*source.files, *source.offered))


def _unpacked(part: Published, content: bytes, origin: str) -> bytes:
    """Gzipped bytes, of which no more are unpacked than the file has."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            return file.read(part.size + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{origin}: damaged gzip file ({error}); expected sha256 {part.sha256[0]} of "
            f"{part.name}; fetch it again"
        ) from error


def _members(source: Source, archive: bytes) -> list[bytes]:
    """The files of the data set out of a checked tar file."""
    import tarfile

    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        by_name = {Path(member.name).name: member for member in tar if member.isfile()}
        opened = [tar.extractfile(by_name[part.name]) for part in source.files]
        return [file.read() for file in opened if file is not None]
