"""The checkpoints of a run: saved in the background, the newest good one restored."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from paramjax._checks import describe
from paramjax._files import make_folder, remedy
from paramjax._locks import FolderLock
from paramjax._types import PyTree
from paramjax.checkpoints._checkpoints import Keep, check_keep
from paramjax.checkpoints._folder import absolute, checkpoint, clean, remove, steps_in
from paramjax.checkpoints._leaves import check_leaf, named_leaves, start_transfer, to_host
from paramjax.checkpoints._manifest import Manifest
from paramjax.checkpoints._restore import check_program, newest
from paramjax.checkpoints._write import Origin, Snapshot, write_checkpoint

_NO_CHECKPOINT = -1
"""The step that a process reports if it found no checkpoint."""


class SaveWarning(UserWarning):
    """A checkpoint could not be written; the run goes on, and the ones before it stay."""


class Saved(NamedTuple):
    """A restored checkpoint.

    Attributes:
        step: Steps done.
        tree: The saved tree, on the devices of the template.
        history: Name -> [steps, ...].
        validation: Name -> [validations].
        extra: JSON values.
    """

    step: int
    tree: PyTree
    history: dict[str, np.ndarray]
    validation: dict[str, np.ndarray]
    extra: dict[str, Any]


class CheckpointStore:
    """A folder of checkpoints, locked by one run; a context manager that releases it.

    A save unfinished at interpreter exit is lost; earlier checkpoints remain. Each checkpoint is a
    folder such as `step_000001200`, whose `arrays.safetensors` holds the leaves of the tree by
    name: `safetensors.numpy.load_file` reads it without paramjax.

    Args:
        folder: Folder of the checkpoints, which is made if it does not exist.
        identity: Name -> JSON value; what distinguishes this run from others.
        program: Hash of what a step computes; "" if `declare` will be called.
        keep: Which checkpoints stay.
        fresh: Whether to delete the checkpoints in the folder.
        allow_new_program: Whether to go on although the step computes something else than before.
        joint: Whether several processes save and restore together; the first one writes.

    Raises:
        RunInUse: If another run holds the folder.
        OSError: If the folder cannot be written.
        TypeError: If `keep` or `identity` is of another kind.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with CheckpointStore(folder, identity={}, program="") as store:
        ...         store.save(7, {"w": np.ones(2)}, {}, {}, {})
        ...         store.wait()
        ...         store.restore({"w": np.zeros(2)}).tree
        {'w': array([1., 1.])}
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        identity: Mapping[str, Any],
        program: str = "",
        keep: Keep | None = None,
        fresh: bool = False,
        allow_new_program: bool = False,
        joint: bool = False,
    ) -> None:
        self.folder = absolute(folder)
        if not isinstance(identity, Mapping):
            raise TypeError(f"checkpoints: identity: expected a dict, got {describe(identity)}")
        self._keep = check_keep(Keep() if keep is None else keep)
        self._origin = Origin(dict(identity), program)
        self._restored: Manifest | None = None
        self._joint, self._writes = joint, not joint or jax.process_index() == 0
        self._thread: threading.Thread | None = None
        self._error: tuple[int, Exception] | None = None
        self._allow_new_program = allow_new_program
        self._lock = self._open(fresh) if self._writes else None

    def __enter__(self) -> CheckpointStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, fresh: bool) -> FolderLock:
        make_folder("checkpoints", self.folder)
        lock = FolderLock("checkpoints", self.folder)
        try:
            clean(self.folder)
            for step in steps_in(self.folder) if fresh else ():
                remove(checkpoint(self.folder, step))
        except BaseException:
            lock.release()
            raise
        return lock

    def steps(self) -> list[int]:
        """The steps of the checkpoints in the folder, increasing, after a save in progress."""
        self._settle()
        return steps_in(self.folder)

    def restore(self, like: PyTree, most: int | None = None) -> Saved | None:
        """Restore the newest checkpoint that is as it was written.

        Args:
            like: Template of the tree: arrays or `jax.ShapeDtypeStruct`, whose dtypes, shapes and
                devices count.
            most: The newest step to take; None takes any.

        Returns:
            The checkpoint, or None if the folder holds none.

        Raises:
            ValueError: If it belongs to another run or has other leaves, or all are damaged.

        Warns:
            DamageWarning: For each damaged one that is passed over, with what is wrong.
            ProgramWarning: If the step computes something else than the one that wrote it.
        """
        self._settle()
        contents = newest(self.folder, like, self._origin, most)
        if self._joint:
            step = _NO_CHECKPOINT if contents is None else contents[0].step
            _check_same_step(self.folder, step)
        if contents is None:
            return None
        manifest, tree, arrays = contents
        self._restored = manifest
        if self._origin.program:
            check_program(manifest, self._origin, self._allow_new_program)
        history, validation = (
            {n.removeprefix(part): array for n, array in arrays.items() if n.startswith(part)}
            for part in ("history/", "validation/")
        )
        return Saved(manifest.step, tree, history, validation, manifest.extra)

    @property
    def knows_program(self) -> bool:
        """Whether the hash of what a step computes is known."""
        return bool(self._origin.program)

    def declare(self, program: str) -> None:
        """Declare what a step computes, which may be known only with the first batch.

        Args:
            program: Hash of what a step computes.

        Raises:
            ValueError: If another step wrote the restored checkpoint, unless that is allowed.

        Warns:
            ProgramWarning: If another step is allowed, or JAX or the devices are others.
        """
        self._origin = self._origin._replace(program=program)
        if self._restored is not None:
            check_program(self._restored, self._origin, self._allow_new_program)

    def save(
        self,
        step: int,
        tree: PyTree,
        history: dict[str, np.ndarray],
        validation: dict[str, np.ndarray],
        extra: dict[str, Any],
        *,
        score: float | None = None,
    ) -> None:
        """Copy everything to the host, and write it while the run goes on.

        Args:
            step: Steps done.
            tree: Arrays and keys, sharded or not.
            history: Name -> [steps, ...], which must not change any more.
            validation: Name -> [validations], which must not change any more.
            extra: JSON values.
            score: Validation score of these parameters, lower is better; None without one.

        Raises:
            TypeError: If a leaf is not an array of numbers.

        Warns:
            SaveWarning: If the save before this one failed.
        """
        self.wait()
        leaves = named_leaves(tree)
        for name, leaf in leaves.items():
            check_leaf(name, leaf)
        start_transfer(leaves)
        copies = {name: to_host(leaf) for name, leaf in leaves.items()}
        if not self._writes:
            return
        snapshot = Snapshot(step, copies, history, validation, extra, score)
        self._thread = threading.Thread(target=self._write, args=(snapshot,), name="checkpoint")
        self._thread.start()

    def wait(self) -> None:
        """Wait until the last save is done; warn with `SaveWarning` if it failed."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        failed, self._error = self._error, None
        if failed is not None:
            steps = steps_in(self.folder)
            last = f"the last good one is of step {steps[-1]}" if steps else "there is none yet"
            cause = f"{failed[1]}; {remedy(failed[1])}"
            warnings.warn(
                f"checkpoints: the checkpoint of step {failed[0]} could not be written to "
                f"{self.folder}: {cause}; the run goes on, {last}",
                SaveWarning,
                stacklevel=4,
            )

    def _settle(self) -> None:
        """Wait, in every process, until the one that writes is done."""
        self.wait()
        if self._joint:
            multihost_utils.sync_global_devices("checkpoints")

    def close(self) -> None:
        """Wait, and release the folder; a second call does nothing.

        If Ctrl-C cuts the wait short, the folder stays locked: the save is still writing.
        """
        try:
            self.wait()
        finally:
            if self._lock is not None and self._thread is None:
                self._lock.release()

    def _write(self, snapshot: Snapshot) -> None:
        try:
            write_checkpoint(self.folder, snapshot, self._origin, self._keep)
        except Exception as error:  # reported by the next `wait`, in the thread of the run
            self._error = snapshot.step, error


def _check_same_step(folder: Path, step: int) -> None:
    """Raise in every process unless all of them have read the same checkpoint."""
    steps = multihost_utils.process_allgather(np.array(step)).reshape(-1).tolist()
    if len(set(steps)) > 1:
        raise ValueError(
            f"checkpoints: expected the same checkpoint in every process, got steps {steps} from "
            f"{folder} ({_NO_CHECKPOINT} stands for no checkpoint); choose a folder that all "
            "processes share"
        )
