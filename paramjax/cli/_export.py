"""`paramjax export`: the plain parameters of a checkpoint, for others to read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import tyro

from paramjax._checks import needs_extra
from paramjax._files import atomic_write
from paramjax._format import byte_size

if TYPE_CHECKING:
    import numpy as np

    from paramjax.checkpoints._inspect import CheckpointInfo

SUFFIXES = (".npz", ".safetensors")


def export(
    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(name="DIR")],
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(name="OUT")],
    step: int | None = None,
    force: bool = False,
) -> int:
    """Write the parameters to evaluate of a checkpoint as .npz or .safetensors.

    Args:
        folder: The checkpoint_dir of a run, or one checkpoint in it.
        out: The file; its suffix says the format.
        step: The checkpoint to take; the newest good one if none is named.
        force: Write over a file that is there.

    Returns:
        Exit code: 0, or 2 if there is no such checkpoint or the file cannot be written.
    """
    from paramjax.checkpoints._hashes import Damaged
    from paramjax.checkpoints._inspect import look, parameters
    from paramjax.cli._terminal import console, fail

    out = out.expanduser()
    try:
        _check_file(out, force=force)
        chosen = _chosen(look(folder), step)
        arrays = parameters(chosen)
        write(out, arrays)
    except (ValueError, OSError, Damaged) as error:
        return fail(str(error))
    count = sum(array.size for array in arrays.values())
    console().print(
        f"{out}: {len(arrays)} arrays, {count:,} numbers, {byte_size(out.stat().st_size)}, "
        f"of step {chosen.step:,}",
        soft_wrap=True,
    )
    return 0


def write(out: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays to a file, whole or not at all.

    Args:
        out: The file, with one of the suffixes.
        arrays: Name -> array.

    Raises:
        ModuleNotFoundError: Without safetensors, where that is asked for.
        ValueError: If the format does not know a dtype.
        OSError: If the file cannot be written.
    """
    with atomic_write(out.absolute()) as file:
        if out.suffix == ".npz":
            _check_dtypes(arrays)
            _npz(file, arrays)
        else:
            file.write(_safetensors(arrays))


def _check_file(out: Path, *, force: bool) -> None:
    if out.suffix not in SUFFIXES:
        raise ValueError(f"OUT: expected a file that ends in .npz or .safetensors, got {out.name}")
    if out.exists() and not force:
        raise ValueError(f"OUT: {out} is there already; pass --force to write over it")
    if not out.absolute().parent.is_dir():
        raise ValueError(f"OUT: {out.parent} is no folder; make it first")


def _chosen(seen: list[CheckpointInfo], step: int | None) -> CheckpointInfo:
    from paramjax.cli._terminal import warn

    if step is not None:
        found = [one for one in seen if one.step == step]
        if not found:
            known = ", ".join(str(one.step) for one in seen)
            raise ValueError(f"--step: there is no checkpoint of step {step}; there are {known}")
        if found[0].damage is not None:
            raise ValueError(f"--step: the checkpoint of step {step} is damaged: {found[0].damage}")
        return found[0]
    good = [one for one in seen if one.damage is None]
    if not good:
        raise ValueError(f"none of the {len(seen)} checkpoints is as it was written")
    for one in seen:
        if one.step > good[-1].step:
            warn(f"{one.path.name} is damaged: {one.damage}; step {good[-1].step} is taken")
    return good[-1]


def _check_dtypes(arrays: dict[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        if array.dtype.kind == "V":
            raise ValueError(
                f"OUT: .npz does not know {array.dtype}, which {name} has; write .safetensors"
            )


def _npz(file: BinaryIO, arrays: dict[str, np.ndarray]) -> None:
    """As numpy's savez, which takes an array called "file" for one of its own arguments."""
    import zipfile

    from numpy.lib import format

    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                format.write_array(entry, array, allow_pickle=False)


def _safetensors(arrays: dict[str, np.ndarray]) -> bytes:
    with needs_extra("export"):
        from safetensors import SafetensorError
        from safetensors.numpy import save

    try:
        return save(arrays)
    except SafetensorError as error:
        raise ValueError(f"OUT: .safetensors cannot hold these arrays: {error}") from error
