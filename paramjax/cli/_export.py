"""`paramjax export`: the plain parameters of a checkpoint, for others to read."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Annotated, BinaryIO

import numpy as np
import tyro
from safetensors import SafetensorError
from safetensors.numpy import save

from paramjax._files import atomic_write
from paramjax._format import byte_size
from paramjax.checkpoints import CheckpointInfo, inspect
from paramjax.checkpoints._inspect import parameters
from paramjax.checkpoints._manifest import DamageError
from paramjax.cli._terminal import Exit, console, fail, warn


def export(
    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")],
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")],
    step: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None,
    force: bool = False,
) -> int:
    """Write the parameters of a checkpoint as .npz or .safetensors.

    They are the parameters to evaluate: an average, where the run kept one.

    Args:
        folder: The folder of a run's checkpoints, or one checkpoint in it.
        out: The file; its suffix decides the format.
        step: The checkpoint to take; the newest undamaged one by default.
        force: Overwrite an existing file.

    Returns:
        Exit code: 0, or 2 if there is no such checkpoint or the file cannot be written.
    """
    out = out.expanduser()
    try:
        _check_file(out, force=force)
        chosen = _choose(inspect(folder), step)
        arrays = parameters(chosen)
        write(out, arrays)
    except (ValueError, OSError, DamageError) as error:
        return fail(error)
    count = sum(array.size for array in arrays.values())
    console().print(
        f"{out}: {len(arrays)} arrays, {count:,} numbers, {byte_size(out.stat().st_size)}, "
        f"of step {chosen.step:,}",
        soft_wrap=True,
    )
    return Exit.DONE


def write(out: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays to a file, whole or not at all; raise ValueError for a dtype it cannot hold."""
    with atomic_write(out.absolute()) as file:
        if out.suffix == ".npz":
            _npz(file, arrays)
        else:
            file.write(_safetensors(arrays))


def _check_file(out: Path, *, force: bool) -> None:
    if out.suffix not in (".npz", ".safetensors"):
        raise ValueError(f"OUT: expected a file that ends in .npz or .safetensors, got {out.name}")
    if out.exists() and not force:
        raise ValueError(f"OUT: {out} exists; pass --force to overwrite it")
    if not out.absolute().parent.is_dir():
        raise ValueError(f"OUT: there is no folder {out.parent}; make it first")


def _choose(found: list[CheckpointInfo], step: int | None) -> CheckpointInfo:
    """The checkpoint of that step, or the newest undamaged one with a warning about newer ones."""
    if step is not None:
        named = [one for one in found if one.step == step]
        if not named:
            known = ", ".join(str(one.step) for one in found)
            raise ValueError(f"--step: there is no checkpoint of step {step}; there are {known}")
        if named[0].damage is not None:
            raise ValueError(f"--step: the checkpoint of step {step} is damaged: {named[0].damage}")
        return named[0]
    good = [one for one in found if one.damage is None]
    if not good:
        raise ValueError(f"all {len(found)} checkpoints are damaged; paramjax inspect says where")
    for one in found:
        if one.step > good[-1].step:
            warn(f"{one.path.name} is damaged: {one.damage}; step {good[-1].step} is taken")
    return good[-1]


def _npz(file: BinaryIO, arrays: dict[str, np.ndarray]) -> None:
    """As numpy's savez, which takes an array called "file" for one of its own arguments."""
    for name, array in arrays.items():
        if array.dtype.kind == "V":
            raise ValueError(
                f"OUT: .npz cannot hold {array.dtype}, the dtype of {name}; write .safetensors"
            )
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def _safetensors(arrays: dict[str, np.ndarray]) -> bytes:
    try:
        return save(arrays)
    except SafetensorError as error:
        raise ValueError(f"OUT: .safetensors cannot hold these arrays: {error}") from error
