"""Read-only inspection of checkpoints."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from paramjax.checkpoints._arrays import ARRAYS, HISTORY, each_array, named_dtype, read_arrays
from paramjax.checkpoints._folder import absolute, checkpoint, examine, steps_in
from paramjax.checkpoints._manifest import MANIFEST, DamageError, Leaf, Manifest, read_manifest
from paramjax.checkpoints._write import RUN

PARAMS = "params"
"""The part of a checkpoint's tree that holds the parameters to evaluate."""


class CheckpointInfo(NamedTuple):
    """What one checkpoint holds, and whether it is damaged.

    Attributes:
        path: Its folder.
        step: Steps done.
        size: Bytes of all its files.
        manifest: The contents of its manifest, None if that is damaged.
        damage: What is wrong with it or why it cannot be read, None for a good checkpoint.
        nonfinite: The leaves of its parameters that hold NaN or an infinity, by name.
    """

    path: Path
    step: int
    size: int
    manifest: Manifest | None
    damage: str | None
    nonfinite: tuple[str, ...] = ()


def inspect(folder: str | os.PathLike[str]) -> list[CheckpointInfo]:
    """Check every bit of the checkpoints of a run, or of a single one, and describe them.

    Nothing is written, and a run that is saving there is not disturbed: a checkpoint that it
    removes meanwhile is left out.

    Args:
        folder: The folder of a run, or of a checkpoint.

    Returns:
        One description a checkpoint, by increasing step.

    Raises:
        ValueError: If the folder holds no checkpoint.

    Example:
        >>> import tempfile
        >>> from paramjax.checkpoints import CheckpointStore
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with CheckpointStore(folder, identity={}) as store:
        ...         store.save(7, {"w": np.ones(2)}, {"loss": np.array([0.5])}, {}, {})
        ...     [(info.step, info.damage, info.manifest.metrics) for info in inspect(folder)]
        [(7, None, {'loss': 0.5})]
    """
    path = absolute(folder)
    paths = [checkpoint(path, step) for step in steps_in(path)]
    if not paths and path.name[5:].isdigit() and int(path.name[5:]) in steps_in(path.parent):
        paths = [path]
    found = list(_described(paths))
    if not found:
        what = "holds no checkpoint" if path.is_dir() else "is not a folder"
        raise ValueError(f"{path} {what}; expected the folder of a run's checkpoints, or of one")
    return found


def _described(paths: list[Path]) -> Iterator[CheckpointInfo]:
    for path in paths:
        manifest, nonfinite, damage = _examined(path)
        if damage is not None:  # perhaps a run has just replaced it
            manifest, nonfinite, damage = _examined(path)
        size = _size(path)
        if path.is_dir():
            yield CheckpointInfo(path, int(path.name[5:]), size, manifest, damage, nonfinite)


def _examined(path: Path) -> tuple[Manifest | None, tuple[str, ...], str | None]:
    """The manifest, what is not finite, and the damage; an array at a time is in memory."""
    manifest = None
    try:
        manifest = read_manifest(path)
        examine(path)
        for _ in each_array(path / HISTORY, manifest.history):
            pass
        arrays = each_array(path / ARRAYS, manifest.leaves)
        nonfinite = [name for name, array in arrays if _trained(name) and not _is_finite(array)]
    except (DamageError, ValueError) as error:
        return manifest, (), str(error)
    return manifest, tuple(nonfinite), None


def _trained(leaf: str) -> bool:
    """Whether a leaf belongs to the parameters, those to evaluate or those in training."""
    return any(parameter_name(name) is not None for name in (leaf, leaf.removeprefix("state/")))


def _is_finite(array: np.ndarray) -> bool:
    if array.dtype.kind == "V":  # bfloat16 and the like, some without an isfinite of their own
        array = array.astype(np.float32)
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def kept(folder: str | os.PathLike[str]) -> dict[str, int] | None:
    """Which checkpoints the run keeps, such as `{"last": 3, "best": 0}`; None if unknown."""
    try:
        keep = json.loads((absolute(folder) / RUN).read_bytes())["keep"]
        return {"last": int(keep["last"]), "best": int(keep["best"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # runs never read the file, and each save writes it anew


def best(infos: list[CheckpointInfo]) -> int | None:
    """The step of the good checkpoint with the best finite validation score, None without one."""
    scores = [
        (info.manifest.score, -info.step)
        for info in infos
        if info.damage is None and info.manifest is not None and info.manifest.score is not None
    ]
    finite = [pair for pair in scores if math.isfinite(pair[0])]
    return -min(finite)[1] if finite else None


def _size(path: Path) -> int:
    size = 0
    for folder, _, names in os.walk(path):  # unlike rglob, it passes over a folder that vanished
        for name in names:
            try:
                size += os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:  # removed meanwhile, with the rest of the checkpoint
                continue
    return size


def parameters(info: CheckpointInfo) -> dict[str, np.ndarray]:
    """The parameters to evaluate by name, such as "Dense_0/kernel"; a lone array is "params".

    Raises:
        DamageError: If the checkpoint is not as it was written.
        ValueError: If it holds no parameters, or a run has removed it meanwhile.
    """
    if info.manifest is None or info.damage is not None:
        raise DamageError(info.damage or f"{MANIFEST} cannot be read")
    leaves = info.manifest.leaves
    named = {name: short for name in leaves if (short := parameter_name(name)) is not None}
    if not named:
        raise ValueError(f"checkpoint {info.path}: it holds no parameters; pj.fit did not write it")
    for name in named:
        if leaves[name].key is not None:
            raise ValueError(
                f"checkpoint {info.path}: expected numbers as parameters, got {leaves[name].form} "
                f"for {name}, which other file formats do not know"
            )
    try:
        arrays = read_arrays(info.path / ARRAYS, leaves, list(named))
    except DamageError:
        if info.path.is_dir():
            raise
        raise ValueError(f"checkpoint {info.path}: a run has just removed it; try again") from None
    return {named[name]: array for name, array in arrays.items()}


def parameter_name(leaf: str) -> str | None:
    """The name among the parameters of a leaf of a checkpoint, None for other leaves.

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
