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
from paramjax.checkpoints._arrays import ARRAYS, HISTORY, check_written, write_arrays
from paramjax.checkpoints._checkpoints import Keep
from paramjax.checkpoints._folder import checkpoint, clean, complete, remove, steps_in
from paramjax.checkpoints._leaves import HostLeaf, form_of
from paramjax.checkpoints._manifest import (
    FORMAT,
    DamageError,
    Leaf,
    Manifest,
    describe_files,
    read_manifest,
    write_manifest,
)

RUN = "run.json"


class Origin(NamedTuple):
    """What all checkpoints of a run share.

    Attributes:
        identity: Name -> what distinguishes this run from others.
        program: Hash of what a step computes, "" if it is not known yet.
    """

    identity: dict[str, Any]
    program: str


class Snapshot(NamedTuple):
    """A run at one step, in memory of its own.

    Attributes:
        step: Steps done.
        leaves: Name -> array.
        history: Name -> [steps, ...].
        validation: Name -> [validations].
        extra: JSON values.
        score: Validation score of these parameters, lower is better; None without one.
    """

    step: int
    leaves: dict[str, HostLeaf]
    history: dict[str, np.ndarray]
    validation: dict[str, np.ndarray]
    extra: dict[str, Any]
    score: float | None


def write_checkpoint(folder: Path, snapshot: Snapshot, origin: Origin, keep: Keep) -> None:
    """Write a checkpoint, read it back, and only then remove those that need not stay."""
    final = checkpoint(folder, snapshot.step)
    draft = unfinished(final)
    clean(folder)  # a save that failed may have been unable to
    try:
        draft.mkdir()
        _fill(draft, snapshot, origin)
        write_run(folder, origin, keep)
        complete(draft, final)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error is the one to report
            clean(folder)
        raise
    scores = {step: _score(folder, step, keep) for step in steps_in(folder)}
    for step in set(scores).difference(keep.stays(scores)):
        remove(checkpoint(folder, step))


def write_run(folder: Path, origin: Origin, keep: Keep) -> None:
    """Write what all checkpoints share, for `inspect` and for people.

    Runs never read it. Each save writes it anew, so damage to it heals, and a run that is
    refused leaves it as it was.
    """
    about = {"format": FORMAT, **origin._asdict(), "keep": dataclasses.asdict(keep)}
    text = json.dumps({**about, "versions": versions()}, indent=1)
    write_atomic(folder / RUN, text + "\n")


def _fill(folder: Path, snapshot: Snapshot, origin: Origin) -> None:
    """Write the files of a checkpoint, the manifest last, and sync them to the disk."""
    parts = {"history": snapshot.history, "validation": snapshot.validation}
    history = {
        f"{part}/{name}": HostLeaf(array, form_of(array), None)
        for part, arrays in parts.items()
        for name, array in arrays.items()
    }
    manifest = Manifest(
        step=snapshot.step,
        saved=time.time(),
        score=snapshot.score,
        metrics=_last_values(snapshot.history),
        validation=_last_values(snapshot.validation),
        identity=origin.identity,
        program=origin.program,
        extra=snapshot.extra,
        history=_write(folder / HISTORY, history),
        leaves=_write(folder / ARRAYS, snapshot.leaves),
        files=describe_files(folder),
        versions=versions(),
    )
    write_manifest(folder, manifest)
    for path in (*folder.iterdir(), folder):
        fsync(path)


def _write(path: Path, leaves: dict[str, HostLeaf]) -> dict[str, Leaf]:
    arrays = {name: leaf.array for name, leaf in leaves.items()}
    write_arrays(path, arrays)
    check_written(path, arrays)
    return {name: leaf.described() for name, leaf in leaves.items()}


def _last_values(history: dict[str, np.ndarray]) -> dict[str, float]:
    """The last entry of each array of scalars."""
    scalars = {name: array for name, array in history.items() if array.ndim == 1 and len(array)}
    return {name: float(array[-1]) for name, array in scalars.items()}


def _score(folder: Path, step: int, keep: Keep) -> float | None:
    if keep.best == 0:
        return None
    try:
        return read_manifest(checkpoint(folder, step)).score
    except (DamageError, ValueError):
        return None
