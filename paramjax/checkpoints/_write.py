"""A checkpoint, from copies on the host to a folder on the disk."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from paramjax._files import fsync, unfinished, write_atomic
from paramjax._version import versions
from paramjax.checkpoints._arrays import read_arrays, write_arrays
from paramjax.checkpoints._folder import checkpoint, clean, complete, remove, steps_in
from paramjax.checkpoints._hashes import Damaged, describe_files
from paramjax.checkpoints._history import write_history
from paramjax.checkpoints._host import HostLeaf
from paramjax.checkpoints._keep import Keep
from paramjax.checkpoints._manifest import (
    FORMAT,
    NAME,
    Leaf,
    Manifest,
    read_manifest,
    write_manifest,
)

RUN = "run.json"


class Origin(NamedTuple):
    """What all checkpoints of a run share.

    Attributes:
        identity: What makes the run the run it is.
        program: A fingerprint of what a step computes.
    """

    identity: dict[str, Any]
    program: str


class Snapshot(NamedTuple):
    """A run at one step, in memory of its own.

    Attributes:
        step: Steps done.
        leaves: Name -> array.
        history: Name -> [steps, ...].
        validation: Name -> [evaluations].
        extra: Values of JSON.
        score: Of the validation of these very parameters, or None.
    """

    step: int
    leaves: dict[str, HostLeaf]
    history: dict[str, np.ndarray]
    validation: dict[str, np.ndarray]
    extra: dict[str, Any]
    score: float | None


def write_checkpoint(
    folder: Path, snapshot: Snapshot, origin: Origin, keep: Keep, *, prove: bool = False
) -> None:
    """Write a checkpoint, and then remove those that need not stay.

    Args:
        folder: The run's.
        snapshot: What to write.
        origin: What it belongs to.
        keep: Which checkpoints stay.
        prove: Whether to read the arrays again before anything makes way for them.

    Raises:
        OSError: If the disk is full or fails; what was there before is untouched.
        ValueError: If orbax says so instead.
        Damaged: If what was written cannot be read.
    """
    final = checkpoint(folder, snapshot.step)
    draft = unfinished(final)
    clean(folder)  # a save that failed may have been unable to
    try:
        draft.mkdir()
        _fill(draft, snapshot, origin)
        if prove:
            read_arrays(draft, read_manifest(draft).leaves)
        write_run(folder, origin, keep)
        complete(draft, final)
    except BaseException:
        with contextlib.suppress(OSError):  # what went wrong first is what is told
            clean(folder)
        raise
    scores = {step: _score(folder, step, keep) for step in steps_in(folder)}
    for step in set(scores).difference(keep.stays(scores)):
        remove(checkpoint(folder, step))


def write_run(folder: Path, origin: Origin, keep: Keep) -> None:
    """Write what all checkpoints share, for those who look into the folder.

    No run reads it. Each save writes it anew, so damage to it heals, and a run that is
    refused leaves it as it was.

    Args:
        folder: The run's.
        origin: What the checkpoints belong to.
        keep: Which of them stay.
    """
    about = {"format": FORMAT, **origin._asdict(), "keep": dataclasses.asdict(keep)}
    text = json.dumps({**about, "versions": versions()}, indent=1)
    write_atomic(folder / RUN, text + "\n")


def _fill(folder: Path, snapshot: Snapshot, origin: Origin) -> None:
    """Write the files of a checkpoint, the manifest last, and see them to the disk."""
    dtypes = write_history(folder, [snapshot.history, snapshot.validation])
    write_arrays(folder, {name: leaf.array for name, leaf in snapshot.leaves.items()})
    leaves = {name: leaf.described() for name, leaf in snapshot.leaves.items()}
    write_manifest(folder, _manifest(folder, snapshot, origin, dtypes, leaves))
    for path in (*folder.rglob("*"), folder):
        fsync(path)


def _manifest(
    folder: Path,
    snapshot: Snapshot,
    origin: Origin,
    dtypes: tuple[dict[str, str], ...],
    leaves: dict[str, Leaf],
) -> Manifest:
    return Manifest(
        step=snapshot.step,
        saved=time.time(),
        score=snapshot.score,
        metrics=_last_values(snapshot.history),
        validation=_last_values(snapshot.validation),
        identity=origin.identity,
        program=origin.program,
        extra=snapshot.extra,
        history=dtypes,
        leaves=leaves,
        files=describe_files(folder, but=NAME),
        versions=versions(),
    )


def _last_values(history: dict[str, np.ndarray]) -> dict[str, float]:
    """The last entry of each array of scalars."""
    scalars = {name: array for name, array in history.items() if array.ndim == 1 and len(array)}
    return {name: float(array[-1]) for name, array in scalars.items()}


def _score(folder: Path, step: int, keep: Keep) -> float | None:
    if keep.best == 0:
        return None
    try:
        return read_manifest(checkpoint(folder, step)).score
    except (Damaged, ValueError):
        return None
