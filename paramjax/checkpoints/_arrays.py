"""Arrays on disk, by orbax.

Arrays are handed over and taken back as numpy arrays, whole, in blocks of bytes. So one process
writes them in a thread of its own without waiting for others, they are read onto any number
of devices and processes, and their bits are checked before a device sees them.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from paramjax._hashes import array_hash
from paramjax.checkpoints._blocks import block_sizes, pack, places
from paramjax.checkpoints._hashes import Damaged
from paramjax.checkpoints._manifest import Leaf

FOLDER = "arrays"


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays, in this process alone.

    Args:
        folder: The checkpoint; they get a folder of their own in it.
        arrays: Name -> array.

    Raises:
        ValueError: If they cannot be written. So says the library where a disk is full.
    """
    blocks = pack({name: array for name, array in arrays.items() if array.size})
    if not blocks:
        return
    tree = {_number(index): block for index, block in enumerate(blocks)}
    with _alone_and_quiet() as ocp:
        if jax.process_count() == 1:
            ocp.save(folder / FOLDER, tree)
        else:
            _save_alone(folder / FOLDER, tree)


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
    dtypes = {name: _dtype(name, leaf) for name, leaf in leaves.items()}
    placed = places({n: _bytes(leaf, dtypes[n]) for n, leaf in leaves.items() if not leaf.empty})
    needed = {placed[name].block for name in wanted if name in placed}
    blocks = _load(folder, block_sizes(placed), needed)
    arrays = {}
    for name, leaf in wanted.items():
        if leaf.empty:
            arrays[name] = np.zeros(leaf.shape, dtypes[name])
        else:
            block, start, end = placed[name]
            own = blocks[block][start:end].copy()
            if own.size != end - start:
                raise Damaged(f"leaf {name} has {own.size} bytes, expected {end - start}")
            arrays[name] = own.view(dtypes[name]).reshape(leaf.shape)
        if array_hash(arrays[name], leaf.form) != leaf.hash:
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


def _dtype(name: str, leaf: Leaf) -> np.dtype:
    try:
        return named_dtype(leaf.dtype)
    except TypeError as error:
        raise Damaged(f"leaf {name} cannot be what the manifest says: {error}") from error


def _bytes(leaf: Leaf, dtype: np.dtype) -> int:
    return math.prod(leaf.shape) * dtype.itemsize


def _load(folder: Path, sizes: list[int], needed: Collection[int]) -> dict[int, np.ndarray]:
    """The blocks that are needed, by their number."""
    if not needed:
        return {}
    try:
        # an ellipsis tells the library to skip what is stored there
        tree: dict[str, Any] = {
            _number(block): np.zeros(size, np.uint8) if block in needed else ...
            for block, size in enumerate(sizes)
        }
        with _alone_and_quiet() as ocp:
            stored = ocp.load(folder / FOLDER, tree)
        return {block: np.asarray(stored[_number(block)]) for block in needed}
    # the files have the right hashes, so this is for the disk that fails while they are read
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, MemoryError) as error:
        raise Damaged(f"{FOLDER} cannot be read: {error}") from error


def _save_alone(path: Path, tree: dict[str, np.ndarray]) -> None:
    """As `save` of the library's newer interface, which first asks all processes for the path.

    It does so (0.12.8) whichever processes are said to save, and waits for ever for the others.
    """
    from orbax import checkpoint as ocp

    alone = ocp.options.MultiprocessingOptions(**_alone())
    handler = ocp.PyTreeCheckpointHandler(use_compression=False, multiprocessing_options=alone)
    with ocp.Checkpointer(handler, multiprocessing_options=alone) as saver:
        saver.save(path, args=ocp.args.PyTreeSave(tree))


def _alone() -> dict[str, Any]:
    """What tells the library that this process waits for no other one."""
    here = jax.process_index()
    prefix = f"process_{here}"
    return {"primary_host": here, "active_processes": {here}, "barrier_sync_key_prefix": prefix}


def _number(index: int) -> str:
    return f"{index:06d}"


@contextlib.contextmanager
def _alone_and_quiet() -> Iterator[Any]:
    """Orbax, without waiting for other processes and without pages of traceback in the log."""
    from orbax.checkpoint import v1 as ocp

    context = ocp.Context()
    if jax.process_count() > 1:
        for name, value in _alone().items():
            setattr(context.multiprocessing, name, value)
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
