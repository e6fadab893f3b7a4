"""Named arrays in a safetensors file."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
from collections.abc import Collection, Iterator, Mapping
from io import BufferedReader
from pathlib import Path

import ml_dtypes
import numpy as np

from paramjax._format import printable
from paramjax._hashes import array_hash
from paramjax.checkpoints._manifest import DamageError, Leaf

ARRAYS = "arrays.safetensors"
HISTORY = "history.safetensors"

_KNOWN = frozenset((
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2",
))  # fmt: skip
"""The dtypes that every reader of safetensors knows."""

_LONGEST_HEADER = 100_000_000
"""Bytes that safetensors allows it."""

_PIECE = 2**24
"""Bytes that are read back at once."""

_OTHERS = {
    b"\x1f\x8b": "a gzip archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"PK": "a zip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x93NUMPY": "an array of numpy",
    b"\x80": "a pickle",
}
"""First bytes of what is never opened: a small archive may hold gigabytes, a pickle a program."""


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays; raise OSError if the disk fails."""
    # takes 5 ms, which runs without checkpoints save
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        save_file({_name_in_file(name): _storable(array) for name, array in arrays.items()}, path)
    except SafetensorError as error:
        if (number := re.search(r"os error (\d+)", str(error))) is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def read_arrays(
    path: Path, leaves: Mapping[str, Leaf], chosen: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """Read arrays, all or those chosen by name, and check them as `each_array` does."""
    names = leaves if chosen is None else chosen
    return dict(each_array(path, {name: leaves[name] for name in names}))


def each_array(path: Path, leaves: Mapping[str, Leaf]) -> Iterator[tuple[str, np.ndarray]]:
    """Name and array of each leaf, one after the other, checked against the manifest.

    No memory is taken for what a damaged or forged file only says that it holds.

    Raises:
        DamageError: With the first leaf that is not as it was written.
    """
    with _opened(path) as (file, spans):
        for name, leaf in leaves.items():
            first, size = _span(path, spans, name)
            dtype = _checked_dtype(name, leaf, size)
            file.seek(first)
            content = np.empty(size, np.uint8)
            if file.readinto(content.data) != size:
                raise DamageError(f"{path.name} ends within leaf {printable(name)}")
            yield name, _as_written(name, leaf, content, dtype)


def check_written(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Compare a file that was just written with what it was to hold, a piece at a time.

    Raises:
        DamageError: With the first leaf that differs.
    """
    with _opened(path) as (file, spans):
        for name, array in arrays.items():
            expected = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            first, size = _span(path, spans, name)
            file.seek(first)
            pieces = range(0, max(size, expected.size), _PIECE)
            if size != expected.size or not all(
                file.read(min(_PIECE, size - start)) == expected[start : start + _PIECE].tobytes()
                for start in pieces
            ):
                raise DamageError(f"leaf {printable(name)} reads otherwise than it was written")


def named_dtype(name: str) -> np.dtype:
    """The dtype that `str(dtype)` names, those of machine learning included.

    Raises:
        TypeError: If no array of numbers has it.

    Example:
        >>> named_dtype("bfloat16").itemsize
        2
    """
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    if dtype.hasobject:
        raise TypeError(f"expected a dtype of numbers, got {name}")
    return dtype


def _name_in_file(name: str) -> str:
    """The name of a leaf, escaped if the format reserves it or cannot encode it."""
    reserved = name == "__metadata__" or any("\ud800" <= letter <= "\udfff" for letter in name)
    return ascii(name) if reserved else name


def _storable(array: np.ndarray) -> np.ndarray:
    """Complex numbers as pairs, other dtypes that the format may not know as unsigned integers."""
    if array.dtype.kind == "c":
        return np.stack([array.real, array.imag], axis=-1)
    if array.dtype.name not in _KNOWN:
        array = array.view(f"uint{8 * array.itemsize}")
    return np.array(array, order="C", copy=None)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[BufferedReader, dict[str, tuple[int, int]]]]:
    """A file of arrays, and where in it each of them begins and ends."""
    try:
        with path.open("rb") as file:
            yield file, _spans(file, path)
    except OSError as error:
        raise DamageError(f"{path.name} cannot be read: {error.strerror}") from error


def _spans(file: BufferedReader, path: Path) -> dict[str, tuple[int, int]]:
    """The header: its length in 8 bytes, and JSON with the offsets behind it."""
    whole, beginning = os.fstat(file.fileno()).st_size, file.read(8)
    length = int.from_bytes(beginning, "little")
    start = 8 + length
    if length > _LONGEST_HEADER or start > whole:
        raise DamageError(f"{path.name} cannot be read: {_kind_of_file(beginning)}")
    try:
        header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        offsets = {name: entry["data_offsets"] for name, entry in header.items()}
        spans = {name: (start + first, start + last) for name, (first, last) in offsets.items()}
        inside = all(start <= first <= last <= whole for first, last in spans.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamageError(f"{path.name} cannot be read: {error}") from error
    if not inside:
        raise DamageError(f"{path.name} cannot be read: its header names bytes that it has not")
    return spans


def _kind_of_file(beginning: bytes) -> str:
    """What a file is instead of one of arrays."""
    for magic, kind in _OTHERS.items():
        if beginning.startswith(magic):
            return f"it is {kind} instead of a safetensors file, and was not opened as such"
    return "it is no safetensors file, or a part of one"


def _span(path: Path, spans: Mapping[str, tuple[int, int]], name: str) -> tuple[int, int]:
    """Where a leaf begins in its file, and its bytes."""
    if (span := spans.get(_name_in_file(name))) is None:
        raise DamageError(f"leaf {printable(name)} is missing in {path.name}")
    return span[0], span[1] - span[0]


def _checked_dtype(name: str, leaf: Leaf, size: int) -> np.dtype:
    """The dtype of a leaf, if the bytes in the file are as many as the manifest says."""
    try:
        dtype = named_dtype(leaf.dtype)
    except TypeError as error:
        raise DamageError(
            f"leaf {printable(name)} cannot have its dtype in the manifest: {printable(str(error))}"
        ) from error
    expected = math.prod(leaf.shape) * dtype.itemsize
    if size != expected:
        raise DamageError(f"leaf {printable(name)} has {size} bytes, expected {expected}")
    return dtype


def _as_written(name: str, leaf: Leaf, content: np.ndarray, dtype: np.dtype) -> np.ndarray:
    try:
        array = content.view(dtype).reshape(leaf.shape)
    except (ValueError, TypeError) as error:
        raise DamageError(f"leaf {printable(name)} cannot have its shape: {error}") from error
    if array_hash(array, leaf.form) != leaf.hash:
        raise DamageError(f"leaf {printable(name)} does not have the hash that it was written with")
    return array
