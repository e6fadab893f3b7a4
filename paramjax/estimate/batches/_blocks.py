"""Many problems in blocks: out of memory, off the disk or from an iterator, and to the disk."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import jax
import numpy as np
from numpy.lib import format as npy

from paramjax._types import PyTree

ON_DISK = 2**16
"""Problems of a block that is read from a memory map."""


class Slice(NamedTuple):
    """Data of some problems, and where they lie among all."""

    data: PyTree
    begin: int
    stop: int


def leaf_axes(in_axes: PyTree, data: PyTree) -> list[int | None]:
    """An axis, 0 or None, for each leaf of the data.

    Raises:
        ValueError: If it is no prefix of the data, or holds another axis.
    """
    try:
        axes = jax.tree.map(
            lambda axis, part: jax.tree.map(lambda _: _Axis(axis), part),
            in_axes,
            data,
            is_leaf=lambda axis: axis is None,
        )
    except (ValueError, TypeError):
        raise ValueError(
            "in_axes: expected 0, None, or a pytree of them that is a prefix of data, got "
            f"{in_axes!r} for {jax.tree.structure(data)}; blocks come from an iterator, iter(...)"
        ) from None
    found = [box.axis for box in jax.tree.leaves(axes, is_leaf=lambda x: isinstance(x, _Axis))]
    for axis in found:
        if axis is not None and axis != 0:
            raise ValueError(f"in_axes: expected 0 or None, got {axis!r}; move that axis to front")
    return found


class _Axis(NamedTuple):
    axis: Any


def slices_of(data: PyTree, in_axes: PyTree) -> Iterator[Slice]:
    """The data in one piece, in blocks of memory maps, or as an iterator gives them."""
    if not isinstance(data, Iterator):
        yield from _slices(data, in_axes, 0)
        return
    begin = 0
    for block in data:
        for part in _slices(block, in_axes, begin):
            yield part
            begin = part.stop


def problems_in(data: PyTree, in_axes: PyTree) -> int | None:
    """How many there are; an iterator does not say."""
    return None if isinstance(data, Iterator) else _size_of(data, in_axes)


def _size_of(data: PyTree, in_axes: PyTree) -> int:
    leaves = jax.tree.leaves(data)
    differs = [axis == 0 for axis in leaf_axes(in_axes, data)]
    if any(isinstance(leaf, np.ma.MaskedArray) for leaf in leaves):
        raise TypeError(
            "data: expected plain arrays, got a masked one, whose mask would be lost; give "
            "masked rows a weight of 0"
        )
    sizes = {np.shape(leaf)[:1] for leaf, own in zip(leaves, differs, strict=True) if own}
    if len(sizes) != 1 or () in sizes:
        raise ValueError(
            "data: expected leaves with one leading axis of problems, got leading axes "
            f"{sorted(sizes) or 'none'}; in_axes=None marks what all problems share"
        )
    return int(sizes.pop()[0])


def _slices(data: PyTree, in_axes: PyTree, begin: int) -> Iterator[Slice]:
    data = jax.tree.map(lambda leaf: leaf.to_numpy() if hasattr(leaf, "to_numpy") else leaf, data)
    m = _size_of(data, in_axes)
    leaves, treedef = jax.tree.flatten(data)
    differs = [axis == 0 for axis in leaf_axes(in_axes, data)]
    if not m:
        return
    if not any(isinstance(leaf, np.memmap) for leaf in leaves):
        yield Slice(data, begin, begin + m)
        return
    for low in range(0, m, ON_DISK):
        part = slice(low, min(low + ON_DISK, m))
        read = [_read(x, part) if own else x for x, own in zip(leaves, differs, strict=True)]
        yield Slice(jax.tree.unflatten(treedef, read), begin + part.start, begin + part.stop)


def _read(leaf: Any, part: slice) -> np.ndarray:
    """A copy of some rows; the pages of a map that is only read leave the memory again."""
    rows = np.array(leaf[part])
    base = getattr(leaf, "_mmap", None)
    if base is not None and leaf.mode in ("r", "r+") and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
    return rows


class Sink:
    """Rows of results in memory, or in files of numpy that grow.

    Until all is written the files are called `NAME.npy.partial`, so that what was interrupted
    does not look finished; it can be read all the same, as far as it came.
    """

    def __init__(self, folder: str | Path | None) -> None:
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        self._parts: dict[str, list[np.ndarray]] = {}
        self._files: dict[str, BinaryIO] = {}
        self.rows = 0

    def add(self, **columns: np.ndarray) -> None:
        """Append rows to each of some arrays."""
        for name, rows in columns.items():
            if self._folder is None:
                self._parts.setdefault(name, []).append(rows)
                continue
            if name not in self._files:
                self._files[name] = (self._folder / f"{name}.npy.partial").open("w+b")
                _head(self._files[name], rows, 0)
            self._files[name].write(np.ascontiguousarray(rows).tobytes())
        self.rows += len(next(iter(columns.values())))
        for name, file in self._files.items():
            _head(file, columns[name], self.rows)

    def __enter__(self) -> Sink:
        """Itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def finished(self) -> dict[str, np.ndarray]:
        """The arrays: memory maps, where they lie in files."""
        if not self.rows:
            raise ValueError("data: expected at least one problem, got none")
        if self._folder is not None:
            return _named(self._folder, list(self._files))
        return {
            name: parts[0] if len(parts) == 1 else np.concatenate(parts)
            for name, parts in self._parts.items()
        }


def _named(folder: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Give the files their names, after those of an earlier run are gone, and map them."""
    paths = {name: folder / f"{name}.npy" for name in names}
    for path in paths.values():
        path.unlink(missing_ok=True)
    for path in paths.values():
        path.with_name(f"{path.name}.partial").rename(path)
    return {name: np.load(path, mmap_mode="r") for name, path in paths.items()}


def _head(file: BinaryIO, rows: np.ndarray, count: int) -> None:
    """Write the header of a file that has so many rows, which keeps its length as they grow."""
    file.flush()
    file.seek(0)
    kind = npy.dtype_to_descr(rows.dtype)
    shape = (count, *rows.shape[1:])
    npy.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    file.seek(0, 2)
