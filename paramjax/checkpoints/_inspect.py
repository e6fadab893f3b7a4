"""Checkpoints as somebody sees them who looks into the folder of a run, and changes nothing."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from paramjax.checkpoints._arrays import named_dtype, read_arrays
from paramjax.checkpoints._folder import absolute, checkpoint, examine, steps_in
from paramjax.checkpoints._hashes import Damaged
from paramjax.checkpoints._manifest import NAME, Leaf, Manifest, read_manifest
from paramjax.checkpoints._write import RUN

PARAMS = "params"
"""The part of a checkpoint's tree that holds the parameters to evaluate."""


class CheckpointInfo(NamedTuple):
    """A checkpoint, looked at.

    Attributes:
        path: Its folder.
        step: Steps done, as its name says.
        size: Bytes of all its files.
        manifest: What it says about itself, None where that is damaged.
        damage: What is wrong with it or why it cannot be read, None where nothing is.
    """

    path: Path
    step: int
    size: int
    manifest: Manifest | None
    damage: str | None


def look(folder: str | Path) -> list[CheckpointInfo]:
    """CheckpointInfo at the checkpoints of a run, or at a single one; every bit of them is checked.

    A run that is saving there meanwhile is not disturbed: a checkpoint that it removes while it
    is looked at is left out.

    Args:
        folder: The folder of a run, or of a checkpoint.

    Returns:
        What is there, by steps.

    Raises:
        ValueError: If the folder holds no checkpoint.

    Example:
        >>> import tempfile
        >>> from paramjax.checkpoints import CheckpointStore
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
        raise ValueError(f"{place} {what}; expected the folder of a run, or a step of one")
    return seen


def _seen(paths: list[Path]) -> Iterator[CheckpointInfo]:
    for path in paths:
        manifest, damage = _examined(path)
        if damage is not None:  # or a run has put another one in its place meanwhile
            manifest, damage = _examined(path)
        size = _size(path)
        if path.is_dir():
            yield CheckpointInfo(path, int(path.name[5:]), size, manifest, damage)


def _examined(path: Path) -> tuple[Manifest | None, str | None]:
    manifest = None
    try:
        manifest = read_manifest(path)
        examine(path)
    except (Damaged, ValueError) as error:
        return manifest, str(error)
    return manifest, None


def kept(folder: str | Path) -> dict[str, int] | None:
    """Which checkpoints the run keeps, None where that is not written or cannot be read.

    Args:
        folder: The folder of a run.

    Returns:
        Such as `{"last": 3, "best": 0}`.
    """
    try:
        keep = json.loads((absolute(folder) / RUN).read_bytes())["keep"]
        return {"last": int(keep["last"]), "best": int(keep["best"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # no run reads the file, and each save writes it anew


def best(seen: list[CheckpointInfo]) -> int | None:
    """The step of the good checkpoint with the best validation, None where none has one."""
    scores = [
        (one.manifest.score, -one.step)
        for one in seen
        if one.damage is None and one.manifest is not None and one.manifest.score is not None
    ]
    finite = [pair for pair in scores if math.isfinite(pair[0])]
    return -min(finite)[1] if finite else None


def _size(path: Path) -> int:
    sizes = 0
    for place, _, names in os.walk(path):  # unlike rglob, it passes over a folder that vanished
        for name in names:
            try:
                sizes += os.stat(os.path.join(place, name)).st_size
            except FileNotFoundError:  # removed meanwhile, with the rest of it
                continue
    return sizes


def parameters(seen: CheckpointInfo) -> dict[str, np.ndarray]:
    """The parameters to evaluate, of a checkpoint that is not damaged.

    Args:
        seen: The checkpoint.

    Returns:
        Name -> array, such as "Dense_0/kernel"; a single array is called "params".

    Raises:
        Damaged: If it is not as it was written.
        ValueError: If it holds no parameters, or a run has removed it meanwhile.
    """
    if seen.manifest is None or seen.damage is not None:
        raise Damaged(seen.damage or f"{NAME} cannot be read")
    leaves = seen.manifest.leaves
    named = {name: short for name in leaves if (short := parameter_name(name)) is not None}
    if not named:
        raise ValueError(f"checkpoint {seen.path}: it holds no parameters; pj.fit did not write it")
    for name in named:
        if leaves[name].key is not None:
            raise ValueError(
                f"checkpoint {seen.path}: expected numbers as parameters, got {leaves[name].form} "
                f"for {name}, which no other file knows"
            )
    try:
        arrays = read_arrays(seen.path, leaves, list(named))
    except Damaged:
        if seen.path.is_dir():
            raise
        raise ValueError(f"checkpoint {seen.path}: a run has just removed it; try again") from None
    return {named[name]: array for name, array in arrays.items()}


def parameter_name(leaf: str) -> str | None:
    """What to call a leaf among the parameters, None if it is none of them.

    Args:
        leaf: Its name in the checkpoint.

    Example:
        >>> parameter_name("params/Dense_0/kernel"), parameter_name("state/params/Dense_0/kernel")
        ('Dense_0/kernel', None)
        >>> parameter_name("['params']['a/b']['c']")
        "['a/b']['c']"
    """
    if leaf in (PARAMS, f"['{PARAMS}']"):
        return PARAMS
    for prefix in (f"{PARAMS}/", f"['{PARAMS}']"):
        if leaf.startswith(prefix):
            return leaf.removeprefix(prefix)
    return None


def leaf_bytes(leaf: Leaf) -> int:
    """Bytes of an array as it is stored.

    Example:
        >>> leaf_bytes(Leaf("float32[3,2]", "float32", (3, 2), None, ""))
        24
    """
    return int(math.prod(leaf.shape)) * named_dtype(leaf.dtype).itemsize
