"""Text files, gzipped or not: a byte that does not decode is named with its place."""

from __future__ import annotations

import codecs
import gzip
import os
import zlib

from paramjax._checks import describe
from paramjax._files import absolute_path

MOST_TIMES = 100
"""How often as large as its file the contents may be: texts and images are 2 to 20 times."""

MOST_UNPACKED = 2**24
"""Bytes that a file of any size may unpack to."""


def read_text(path: str | os.PathLike[str], *, encoding: str = "utf-8") -> str:
    r"""Read a text file, gzipped or not.

    Line ends of other systems become `\n`, and a byte order mark at the start is left out.

    Args:
        path: The file.
        encoding: Of its bytes: "utf-8", "latin-1" (any byte decodes, also a wrong one),
            "cp1252" (Windows), or another one that Python knows.

    Returns:
        The text.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a byte does not decode, the encoding is unknown, or the file is a damaged
            or an enormous gzip file.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "menu.txt"
        >>> _ = file.write_bytes("tea\r\ncafé".encode("latin-1"))
        >>> read_text(file, encoding="latin-1")
        'tea\ncafé'
    """
    return decoded(str(path), file_bytes(path), encoding)


def file_bytes(path: str | os.PathLike[str]) -> bytes:
    """The contents of a file, unpacked if it is gzipped."""
    file = absolute_path("path", path)
    if not file.is_file():
        hint = "; it is a folder, name a file in it" if file.is_dir() else ", gzipped or not"
        raise FileNotFoundError(f"no file {file}; expected one{hint}")
    content = file.read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    most = MOST_UNPACKED + MOST_TIMES * len(content)
    try:
        with gzip.open(file) as packed:
            unpacked = packed.read(most + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path}: damaged gzip file ({error}); fetch it again") from error
    if len(unpacked) > most:
        raise ValueError(
            f"{path}: unpacks to more than {most:,} bytes, {MOST_TIMES} times its size; unpack it "
            "with gunzip first if it is not damaged"
        )
    return unpacked


def decoded(origin: str, content: bytes, encoding: str = "utf-8") -> str:
    """Bytes as text with line ends of one kind."""
    try:
        codec = codecs.lookup(encoding).name
        text = content.decode("utf-8-sig" if codec == "utf-8" else codec)
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        marked = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        old = "'latin-1' or 'cp1252' if the file comes from an older system"
        other = "'utf-16'" if marked else old
        raise ValueError(
            f"{origin}: byte 0x{content[error.start]:02x} at line {line}, byte {column} of it, is "
            f"not {encoding} ({error.reason}); pass encoding={other}"
        ) from None
    except (LookupError, TypeError, ValueError):
        raise ValueError(
            f"encoding: expected one that Python knows, such as 'utf-8' or 'latin-1', got "
            f"{describe(encoding)}"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
