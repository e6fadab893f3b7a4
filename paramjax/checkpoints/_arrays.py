"""Named arrays in a safetensors file."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save_file

from paramjax._hashes import array_hash
from paramjax.checkpoints._manifest import DamageError, Leaf

_deserialize: Callable[[bytes], list[tuple[str, dict[str, Any]]]] = deserialize

ARRAYS = "arrays.safetensors"
HISTORY = "history.safetensors"

_KNOWN = frozenset((
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2",
))  # fmt: skip
"""The dtypes that every reader of safetensors knows."""


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays; a failing disk raises `SafetensorError`, which is no `OSError`."""
    save_file({_name_in_file(name): _storable(array) for name, array in arrays.items()}, path)


def read_arrays(
    path: Path, leaves: Mapping[str, Leaf], chosen: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """Read arrays, all or those chosen by name, and check them against their hashes.

    Raises:
        DamageError: With the first leaf that is not as it was written.
    """
    try:
        stored = dict(_deserialize(path.read_bytes()))
    except (OSError, SafetensorError, MemoryError) as error:
        raise DamageError(f"{path.name} cannot be read: {error}") from error
    arrays = {}
    for name in leaves if chosen is None else chosen:
        entry = stored.get(_name_in_file(name))
        if entry is None:
            raise DamageError(f"leaf {name} is missing in {path.name}")
        arrays[name] = _checked(name, leaves[name], entry["data"])
    return arrays


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


def _checked(name: str, leaf: Leaf, data: bytes | bytearray) -> np.ndarray:
    try:
        dtype = named_dtype(leaf.dtype)
    except TypeError as error:
        raise DamageError(f"leaf {name} cannot have its dtype in the manifest: {error}") from error
    expected = math.prod(leaf.shape) * dtype.itemsize
    if len(data) != expected:
        raise DamageError(f"leaf {name} has {len(data)} bytes, expected {expected}")
    array = np.frombuffer(data, dtype).reshape(leaf.shape).copy()
    if array_hash(array, leaf.form) != leaf.hash:
        raise DamageError(f"leaf {name} does not have the hash that it was written with")
    return array
