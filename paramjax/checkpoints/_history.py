"""What a run has reported so far, on disk."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from paramjax.checkpoints._arrays import named_dtype
from paramjax.checkpoints._hashes import Damaged

NAME = "history.npz"

Dtypes = dict[str, str]


def write_history(folder: Path, history: Sequence[Mapping[str, np.ndarray]]) -> tuple[Dtypes, ...]:
    """Write named arrays.

    Args:
        folder: The checkpoint.
        history: Dictionaries of arrays of numbers, such as history and validations.

    Returns:
        For each of them name -> dtype, to be kept for `read_history`.
    """
    arrays = {
        f"{place}_{index}": _storable(array)
        for place, named in enumerate(history)
        for index, array in enumerate(named.values())
    }
    # an open file, for a full disk would be met again when numpy's own is destroyed
    with (folder / NAME).open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    return tuple({name: str(array.dtype) for name, array in named.items()} for named in history)


def read_history(folder: Path, dtypes: Sequence[Dtypes]) -> tuple[dict[str, np.ndarray], ...]:
    """Read them again.

    Args:
        folder: The checkpoint.
        dtypes: What `write_history` returned.

    Returns:
        The dictionaries.

    Raises:
        Damaged: If the file is not what was written.
    """
    try:
        with np.load(folder / NAME, allow_pickle=False) as stored:
            if any(entry.file_size > entry.compress_size for entry in stored.zip.filelist):
                raise ValueError("it is compressed, and no such file was ever written")
            return tuple(
                {
                    name: stored[f"{place}_{index}"].view(named_dtype(dtype))
                    for index, (name, dtype) in enumerate(named.items())
                }
                for place, named in enumerate(dtypes)
            )
    except (OSError, ValueError, KeyError, TypeError, MemoryError, zipfile.BadZipFile) as error:
        raise Damaged(f"{NAME} cannot be read: {error}") from error


def _storable(array: np.ndarray) -> np.ndarray:
    """Numbers of machine learning, whose names numpy's format does not know, as bytes."""
    if array.dtype.kind != "V":
        return array
    return array.view(f"uint{8 * array.dtype.itemsize}")
