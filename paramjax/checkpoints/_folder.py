"""The folders of a run: a checkpoint is complete if and only if it has its final name."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from paramjax._files import absolute_path, fsync
from paramjax.checkpoints._hashes import Damaged, check_files
from paramjax.checkpoints._manifest import NAME, Manifest, read_manifest

_FINAL = re.compile(r"step_(\d{9,})")
_LEFT = re.compile(
    r"(?P<what>unfinished|removed|replaced)_(?P<name>(?P<step>step_\d{9,})|run\.json)"
)

# below "[" orbax writes arrays that it does not find again, below the others it writes none
_UNFIT = re.compile(r"[\[\ud800-\udfff]" if os.sep == "\\" else r"[\[\\\ud800-\udfff]")


class DamageWarning(UserWarning):
    """A checkpoint is not as it was written, and an older one is taken."""


def absolute(folder: str | os.PathLike[str]) -> Path:
    """The folder as `absolute_path` says, unless orbax cannot store arrays below it.

    Raises:
        TypeError: If it is not a path.
        ValueError: If it is empty, an address, or a path below which arrays cannot be stored.

    Example:
        >>> absolute("runs/first") == Path.cwd() / "runs" / "first"
        True
    """
    path = absolute_path("checkpoints", folder)
    if wrong := _UNFIT.search(str(path)):
        raise ValueError(
            f"checkpoints: expected a folder whose path can be stored below, got {str(path)!r} "
            f"with {wrong[0]!r} in it; choose or rename the folder without it"
        )
    return path


def make(folder: Path) -> None:
    """Make a folder for a run, if it does not exist.

    Args:
        folder: Where.

    Raises:
        OSError: If it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        error.add_note(f"checkpoints: {folder} cannot be made; choose another folder")
        raise
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"checkpoints: {folder} cannot be written to; choose another folder")


def checkpoint(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies.

    Args:
        folder: The run's.
        step: Steps done.

    Example:
        >>> checkpoint(Path("run"), 1200).name
        'step_000001200'
    """
    return folder / f"step_{step:09d}"


def steps_in(folder: Path) -> list[int]:
    """The steps of all complete checkpoints, damaged ones too.

    Args:
        folder: The run's; it may not exist.

    Returns:
        Steps, increasing.
    """
    if not folder.is_dir():
        return []
    matches = (_FINAL.fullmatch(path.name) for path in folder.iterdir() if path.is_dir())
    steps = (int(match[1]) for match in matches if match)
    # each under its own name only: "step_0000000007" has ten digits, and nobody wrote it
    return sorted({step for step in steps if checkpoint(folder, step).is_dir()})


def clean(folder: Path) -> None:
    """Remove what a save that was killed or that failed has left; nobody may be saving.

    Args:
        folder: The run's.
    """
    left = {path: match for path in folder.iterdir() if (match := _LEFT.fullmatch(path.name))}
    # as long as the new checkpoint has not its name, those that make way for it are good
    if any(match["what"] == "unfinished" and match["step"] for match in left.values()):
        for path, match in left.items():
            if match["what"] == "replaced":
                os.rename(path, folder / match["name"])
    for path in left:
        if path.exists():
            _delete(path)


def complete(unfinished: Path, final: Path) -> None:
    """Give a checkpoint its final name, at once and for good.

    A run that went back has given up what came after, and must not go on from there again:
    later checkpoints make way as one of the same step does.

    Args:
        unfinished: The folder, all of whose files are on the disk.
        final: Its final name.
    """
    folder = final.parent
    step = int(final.name.removeprefix("step_"))
    old = [checkpoint(folder, other) for other in steps_in(folder) if other >= step]
    replaced = [path.with_name(f"replaced_{path.name}") for path in old]
    for path, aside in zip(old, replaced, strict=True):
        os.rename(path, aside)
    os.rename(unfinished, final)
    fsync(folder)
    for aside in replaced:
        _delete(aside)


def remove(final: Path) -> None:
    """Remove a checkpoint; one that is half removed does not have its name any more.

    Args:
        final: The checkpoint.
    """
    removed = final.with_name(f"removed_{final.name}")
    os.rename(final, removed)
    _delete(removed)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def examine(path: Path) -> Manifest:
    """See that every file of a checkpoint is as it was written.

    Args:
        path: The checkpoint.

    Returns:
        Its manifest.

    Raises:
        Damaged: If one is missing, added, cut off or changed.
        ValueError: If a later paramjax wrote it.
    """
    manifest = read_manifest(path)
    check_files(path, manifest.files, but=NAME)
    if checkpoint(path.parent, manifest.step) != path:
        raise Damaged(f"it is called {path.name}, and its manifest says step {manifest.step}")
    return manifest
