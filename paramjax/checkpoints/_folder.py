"""The folders of a run: a checkpoint is complete if and only if it has its final name."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from paramjax._files import absolute_path, fsync
from paramjax.checkpoints._manifest import DamageError, Manifest, check_files, read_manifest

_FINAL = re.compile(r"step_(\d{9,})")
_LEFT = re.compile(
    r"(?P<what>unfinished|removed|replaced)_(?P<name>(?P<step>step_\d{9,})|run\.json)"
)


def absolute(folder: str | os.PathLike[str]) -> Path:
    """The folder as `absolute_path` says, with messages about `checkpoints`."""
    return absolute_path("checkpoints", folder)


def checkpoint(folder: Path, step: int) -> Path:
    """The folder of a checkpoint in that of its run.

    Example:
        >>> checkpoint(Path("run"), 1200).name
        'step_000001200'
    """
    return folder / f"step_{step:09d}"


def steps_in(folder: Path) -> list[int]:
    """The steps of all complete checkpoints, damaged ones too, increasing."""
    if not folder.is_dir():
        return []
    matches = (_FINAL.fullmatch(path.name) for path in folder.iterdir() if path.is_dir())
    steps = (int(match[1]) for match in matches if match)
    # each under its own name only: "step_0000000007" has ten digits, and no save wrote it
    return sorted({step for step in steps if checkpoint(folder, step).is_dir()})


def clean(folder: Path) -> None:
    """Remove what a killed or failed save has left; no save may be in progress."""
    left = {path: match for path in folder.iterdir() if (match := _LEFT.fullmatch(path.name))}
    # as long as the new checkpoint has not its name, those that make way for it are good
    if any(match["what"] == "unfinished" and match["step"] for match in left.values()):
        for path, match in left.items():
            if match["what"] == "replaced":
                os.rename(path, folder / match["name"])
    for path in left:
        if path.exists():
            _delete(path)


def complete(draft: Path, final: Path) -> None:
    """Give a checkpoint whose files are on the disk its final name, at once and for good.

    A run that went back has given up what came after, and must not go on from there again:
    later checkpoints make way as one of the same step does.
    """
    folder = final.parent
    step = int(final.name.removeprefix("step_"))
    old = [checkpoint(folder, other) for other in steps_in(folder) if other >= step]
    replaced = [path.with_name(f"replaced_{path.name}") for path in old]
    for path, aside in zip(old, replaced, strict=True):
        os.rename(path, aside)
    os.rename(draft, final)
    fsync(folder)
    for aside in replaced:
        _delete(aside)


def remove(final: Path) -> None:
    """Remove a checkpoint, whose final name goes first."""
    removed = final.with_name(f"removed_{final.name}")
    os.rename(final, removed)
    _delete(removed)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def examine(path: Path) -> Manifest:
    """Check every file of a checkpoint, and return its manifest.

    Raises:
        DamageError: If a file is missing, added, cut off or changed.
        ValueError: If it has another format version.
    """
    manifest = read_manifest(path)
    check_files(path, manifest.files)
    if checkpoint(path.parent, manifest.step) != path:
        raise DamageError(f"it is called {path.name}, and its manifest says step {manifest.step}")
    return manifest
