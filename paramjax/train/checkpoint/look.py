"""Checkpoints as somebody sees them who looks into the folder of a run, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from paramjax.train.checkpoint.arrays import read_arrays
from paramjax.train.checkpoint.folder import absolute, checkpoint, examine, steps_in
from paramjax.train.checkpoint.hashes import Damaged
from paramjax.train.checkpoint.manifest import NAME, Leaf, Manifest

PARAMS = "params"
"""The part of a checkpoint's tree that holds the parameters to evaluate."""


class Look(NamedTuple):
    """A checkpoint, looked at.

    Attributes:
        path: Its folder.
        step: Steps done, as its name says.
        size: Bytes of all its files.
        manifest: What it says about itself, None where it is damaged.
        damage: What is wrong with it, None where nothing is.
    """

    path: Path
    step: int
    size: int
    manifest: Manifest | None
    damage: str | None


def look(folder: str | Path) -> list[Look]:
    """Look at the checkpoints of a run, or at a single one; every bit of them is checked.

    A run that is saving there meanwhile is not disturbed: a checkpoint that it removes while it
    is looked at is left out.

    Args:
        folder: The folder of a run, or of a checkpoint.

    Returns:
        What is there, by steps.

    Raises:
        ValueError: If the folder holds no checkpoint, or one of a later format.

    Example:
        >>> import tempfile
        >>> from paramjax.train.checkpoint import CheckpointStore
        >>> with tempfile.TemporaryDirectory() as place:
        ...     with CheckpointStore(place, identity={}) as store:
        ...         store.save(7, {"w": np.ones(2)}, {"loss": np.array([0.5])}, {}, {})
        ...     [(seen.step, seen.damage, seen.manifest.metrics) for seen in look(place)]
        [(7, None, {'loss': 0.5})]
    """
    place = absolute(folder)
    paths = [checkpoint(place, step) for step in steps_in(place)]
    if not paths and place.name[5:].isdigit() and steps_in(place.parent).count(int(place.name[5:])):
        paths = [place]
    seen = list(_seen(paths))
    if not seen:
        what = "holds no checkpoint" if place.is_dir() else "is no folder"
        raise ValueError(f"{place} {what}; expected the checkpoint_dir of a run, or a step of one")
    return seen


def _seen(paths: list[Path]) -> Iterator[Look]:
    for path in paths:
        manifest = damage = None
        try:
            manifest = examine(path)
        except Damaged as error:
            damage = str(error)
        if path.is_dir():
            yield Look(path, int(path.name[5:]), _size(path), manifest, damage)


def _size(path: Path) -> int:
    sizes = 0
    for file in path.rglob("*"):
        try:
            sizes += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:  # removed meanwhile, with the rest of it
            continue
    return sizes


def parameters(seen: Look) -> dict[str, np.ndarray]:
    """The parameters to evaluate, of a checkpoint that is not damaged.

    Args:
        seen: The checkpoint.

    Returns:
        Name -> array, such as "Dense_0/kernel"; a single array is called "params".

    Raises:
        Damaged: If it is not as it was written.
        ValueError: If it holds no parameters.
    """
    if seen.manifest is None:
        raise Damaged(seen.damage or f"{NAME} cannot be read")
    leaves = seen.manifest.leaves
    names = [name for name in leaves if name == PARAMS or name.startswith(f"{PARAMS}/")]
    if not names:
        raise ValueError(f"checkpoint {seen.path}: it holds no parameters; pj.fit did not write it")
    arrays = read_arrays(seen.path, leaves, names)
    return {name.removeprefix(f"{PARAMS}/"): array for name, array in arrays.items()}


def leaf_bytes(leaf: Leaf) -> int:
    """Bytes of an array as it is stored.

    Example:
        >>> leaf_bytes(Leaf("float32[3,2]", "float32", (3, 2), None, ""))
        24
    """
    from paramjax.train.checkpoint.arrays import named_dtype

    return int(np.prod(leaf.shape, dtype=np.int64)) * named_dtype(leaf.dtype).itemsize
