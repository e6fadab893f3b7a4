"""Downloads data sets into the user's cache: whole and checked files, or none."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from paramjax._files import atomic_write, make_folder
from paramjax._version import __version__
from paramjax.data._sources import Published, Source

OFFLINE = "PARAMJAX_OFFLINE"

TIMEOUT = 10.0
"""Seconds that a server may be silent."""

LONGEST = 600.0
"""Seconds that one file may take."""

_PIECE = 2**16


class DataNotFoundError(FileNotFoundError):
    """A data set is not on this machine, and could not be downloaded.

    Example:
        >>> import paramjax as pj
        >>> try:
        ...     pj.data.mnist(folder="no such folder")
        ... except DataNotFoundError as error:
        ...     print(str(error).split(",")[0])
        MNIST: folder: expected a folder that exists
    """


def user_cache() -> Path:
    """Where downloaded data sets are kept."""
    import platformdirs  # takes 5 ms, which others save

    return Path(platformdirs.user_cache_dir("paramjax", appauthor=False)) / "data"


def download(
    source: Source, places: list[Path], check: Callable[[Published, bytes, str], bytes]
) -> Path:
    """Download what is offered of a data set into the cache.

    Args:
        source: The data set.
        places: Where it was sought, for the message; the last one is its folder in the cache.
        check: Raises ValueError for damaged bytes.

    Returns:
        The folder.

    Raises:
        DataNotFoundError: If downloads are switched off, or no address gives the files.
        ValueError: If what came is damaged.
    """
    if os.environ.get(OFFLINE, "").strip() not in ("", "0"):
        raise DataNotFoundError(_advice(source, places, f"{OFFLINE} is set"))
    target = places[-1]
    for part in source.offered:
        if not any((target / name).is_file() for name in (part.name, part.name + part.packed)):
            content, origin = _fetched(source, places, part)
            check(part, content, origin)
            _place(target / (part.name + part.packed), content)
    return target


def _fetched(source: Source, places: list[Path], part: Published) -> tuple[bytes, str]:
    """A file's bytes as published, and the address that they came from."""
    from http.client import HTTPException

    failures = []
    for address in source.addresses:
        url = f"{address}/{part.name}{part.packed}"
        try:
            return _get(url, most=part.size + 2**20), url
        except (OSError, HTTPException) as error:
            failures.append(f"{url}: {getattr(error, 'reason', None) or error}")
    raise DataNotFoundError(_advice(source, places, "the download failed", failures))


def _get(url: str, *, most: int) -> bytes:
    """What a server sends, if it is whole."""
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": f"paramjax/{__version__}"})
    end = time.monotonic() + LONGEST
    received = bytearray()
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        promised = response.headers.get("Content-Length")
        while piece := response.read(_PIECE):
            received += piece
            if len(received) > most:
                raise OSError(f"sends more than {most:,} bytes")
            if time.monotonic() > end:
                raise OSError(f"took longer than {LONGEST:.0f} s")
    if promised is not None and len(received) != int(promised):
        raise OSError(f"the transfer ended after {len(received):,} of {int(promised):,} bytes")
    return bytes(received)


def _place(path: Path, content: bytes) -> None:
    """Put a file into the cache, whole or not at all, even if two processes do."""
    make_folder("the cache of data sets", path.parent)
    draft = path.with_name(f"{os.getpid()}_{path.name}")
    with atomic_write(draft) as file:
        file.write(content)
    os.replace(draft, path)


def _advice(source: Source, places: list[Path], cause: str, failures: Sequence[str] = ()) -> str:
    """What is missing, where it was sought, and where it is to be had."""
    lines = {
        "files": [part.name + part.packed for part in source.offered],
        "sought in": list(dict.fromkeys(map(str, places))),
        "failed": failures,
        "source": [*source.addresses, f"({source.licence})"],
    }
    listed = [
        f"  {name if row == 0 else '':9}  {entry}"
        for name, entries in lines.items()
        for row, entry in enumerate(entries)
    ]
    advice = "Get the files from the source; pass their folder=, or name it by PARAMJAX_DATA."
    return "\n".join([f"{source.title} is not on this machine: {cause}", *listed, advice])
