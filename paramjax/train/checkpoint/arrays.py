"""Arrays on disk, by orbax.

Arrays are handed over and taken back as numpy arrays, whole, in a flat dict. So one process
writes them in a thread of its own without waiting for others, they are read onto any number
of devices and processes, and their bits are checked before a device sees them.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from paramjax.train.checkpoint.hashes import Damaged, array_hash
from paramjax.train.checkpoint.manifest import Leaf

FOLDER = "arrays"


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays, in this process alone.

    Args:
        folder: The checkpoint; they get a folder of their own in it.
        arrays: Name -> array. They are stored under their number, for any name is a good one;
            empty arrays are left out.

    Raises:
        ValueError: If they cannot be written. So says the library where a disk is full.
    """
    filled = {
        _number(index): _storable(array)
        for index, array in enumerate(arrays.values())
        if array.size
    }
    if not filled:
        return
    with _alone_and_quiet() as ocp:
        ocp.save(folder / FOLDER, filled)


def read_arrays(
    folder: Path, leaves: Mapping[str, Leaf], chosen: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """Read arrays, in this process alone, and see that they are as they were written.

    Args:
        folder: The checkpoint.
        leaves: Name -> leaf, all of them in their order.
        chosen: The names to read; None for all.

    Returns:
        Name -> array, its own memory.

    Raises:
        Damaged: With the first leaf that is not as it was written.
    """
    wanted = leaves if chosen is None else {name: leaves[name] for name in chosen}
    arrays = {name: _zeros(name, leaf) for name, leaf in wanted.items()}
    numbers = {name: _number(index) for index, name in enumerate(leaves)}
    # an ellipsis tells the library to skip what is stored there
    tree: dict[str, Any] = {
        numbers[name]: _storable(arrays[name]) if name in wanted else ...
        for name, leaf in leaves.items()
        if not leaf.empty
    }
    if any(not leaf.empty for leaf in wanted.values()):
        stored = _load(folder, tree)
        for name in wanted:
            if numbers[name] in tree:
                # one at a time, so that no more than one array is there twice
                arrays[name] = np.array(stored.pop(numbers[name])).view(arrays[name].dtype)
    for name, leaf in wanted.items():
        if arrays[name].shape != leaf.shape or array_hash(arrays[name], leaf.form) != leaf.hash:
            raise Damaged(f"leaf {name} does not have the hash that it was written with")
    return arrays


def named_dtype(name: str) -> np.dtype:
    """The dtype of a name, those of machine learning included.

    Args:
        name: As `str(dtype)` gives it.

    Raises:
        TypeError: If no array of numbers has it.

    Example:
        >>> named_dtype("bfloat16").itemsize
        2
    """
    import ml_dtypes

    dtype = np.dtype(getattr(ml_dtypes, name, name))
    if dtype.hasobject:
        raise TypeError(f"expected a dtype of numbers, got {name}")
    return dtype


def _zeros(name: str, leaf: Leaf) -> np.ndarray:
    try:
        return np.zeros(leaf.shape, named_dtype(leaf.dtype))
    except (TypeError, ValueError, MemoryError) as error:
        raise Damaged(f"leaf {name} cannot be what the manifest says: {error}") from error


def _load(folder: Path, tree: dict[str, Any]) -> dict[str, Any]:
    with _alone_and_quiet() as ocp:
        try:
            return ocp.load(folder / FOLDER, tree)
        # the files have the right hashes, so this is for the disk that fails while they are read
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise Damaged(f"{FOLDER} cannot be read: {error}") from error


def _storable(array: np.ndarray) -> np.ndarray:
    """The narrow numbers that no store knows, as whole bytes."""
    if array.dtype.kind != "V" or array.dtype.name == "bfloat16":
        return array
    return array.view(f"uint{8 * array.dtype.itemsize}")


def _number(index: int) -> str:
    return f"{index:06d}"


@contextlib.contextmanager
def _alone_and_quiet() -> Iterator[Any]:
    """Orbax, without waiting for other processes and without pages of traceback in the log."""
    import jax
    from orbax.checkpoint import v1 as ocp

    here = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=here, active_processes={here}, barrier_sync_key_prefix=f"process_{here}"
    )
    several = jax.process_count() > 1
    context = ocp.Context(multiprocessing_options=alone if several else None)
    # compressing random numbers takes four times the processor time and saves 7 % of the disk
    context.array.saving.use_compression = False
    log = logging.getLogger("absl")
    log.addFilter(_not_orbax)
    try:
        with context:
            yield ocp
    finally:
        log.removeFilter(_not_orbax)


def _not_orbax(record: logging.LogRecord) -> bool:
    return "orbax" not in record.pathname
