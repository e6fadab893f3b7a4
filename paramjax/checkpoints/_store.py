"""The checkpoints of a run: saved in the background, restored from the newest good one."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple

import jax
import numpy as np

from paramjax._files import FolderLock
from paramjax._types import PyTree
from paramjax.checkpoints._folder import absolute, checkpoint, clean, make, remove, steps_in
from paramjax.checkpoints._host import check_leaf, named_leaves, start_transfer, to_host
from paramjax.checkpoints._keep import Keep
from paramjax.checkpoints._manifest import Manifest
from paramjax.checkpoints._multihost import NONE, barrier, check_same_step
from paramjax.checkpoints._restore import check_program, newest
from paramjax.checkpoints._write import Origin, Snapshot, write_checkpoint


class SaveWarning(UserWarning):
    """A checkpoint could not be written; the run goes on, and the ones before it stay."""


class Saved(NamedTuple):
    """A checkpoint, read.

    Attributes:
        step: Steps done.
        tree: In the form, and at the places, of what was asked for.
        history: Name -> [steps, ...].
        validation: Name -> [validations].
        extra: Values of JSON.
    """

    step: int
    tree: PyTree
    history: dict[str, np.ndarray]
    validation: dict[str, np.ndarray]
    extra: dict[str, Any]


class CheckpointStore:
    """A folder of checkpoints, held by one run; a context manager that lets it go.

    A save that nobody waits for before the interpreter ends is lost, the ones before it are not.

    Args:
        folder: Where they lie; it is made if need be.
        identity: What makes the run the run it is, name -> value of JSON.
        program: A fingerprint of what a step computes; "" if that is to be declared.
        keep: Which checkpoints stay.
        fresh: Whether to delete the checkpoints that are there.
        allow_new_program: Whether to go on although the step computes something else.
        joint: Whether several processes save and restore together; the first one writes.

    Raises:
        RunInUse: If another run holds the folder.
        OSError: If the folder cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as place:
        ...     with CheckpointStore(place, identity={}, program="") as store:
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
        self._origin, self._keep = Origin(dict(identity), program), keep or Keep()
        self._restored: Manifest | None = None
        self._joint, self._writes = joint, not joint or jax.process_index() == 0
        self._thread: threading.Thread | None = None
        self._error: tuple[int, Exception] | None = None
        self._proven = False
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
        make(self.folder)
        lock = FolderLock("checkpoints", self.folder)
        try:
            clean(self.folder)
            for step in steps_in(self.folder) if fresh else ():
                remove(checkpoint(self.folder, step))
        except BaseException:
            lock.release()
            raise
        return lock

    def restore(self, like: PyTree) -> Saved | None:
        """The newest checkpoint that is as it was written.

        Args:
            like: A tree whose form and places are wanted.

        Returns:
            It, or None if the folder holds no checkpoint.

        Raises:
            ValueError: If it belongs to another run or has other leaves, or none is good.

        Warns:
            DamageWarning: For each damaged one that was passed over, with what is wrong.
            ProgramWarning: If the step computes something else than the one that wrote it.
        """
        self.wait()
        if self._joint:
            barrier()
        contents = newest(self.folder, like, self._origin)
        if self._joint:
            check_same_step(self.folder, NONE if contents is None else contents[0].step)
        if contents is None:
            return None
        manifest, tree, (history, validation) = contents
        self._restored = manifest
        if self._origin.program:
            check_program(manifest, self._origin, self._allow_new_program)
        return Saved(manifest.step, tree, history, validation, manifest.extra)

    @property
    def knows_program(self) -> bool:
        """Whether it was said what a step computes."""
        return bool(self._origin.program)

    def declare(self, program: str) -> None:
        """Say what a step computes, where that was not known before the first batch was there.

        Args:
            program: A fingerprint of it.

        Raises:
            ValueError: If what was restored was written by another step, unless that is allowed.

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
            tree: Arrays and keys.
            history: Name -> [steps, ...], not to be changed any more.
            validation: Name -> [validations], neither.
            extra: Values of JSON.
            score: Of the validation of these very parameters, the lower the better.

        Raises:
            TypeError: If a leaf is no array of numbers.

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
        """Wait until the last save is done.

        Warns:
            SaveWarning: If it failed.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        failed, self._error = self._error, None
        if failed is not None:
            steps = steps_in(self.folder)
            last = f"the last good one is of step {steps[-1]}" if steps else "there is none yet"
            reason = str(failed[1]).partition(" [tensorstore_spec=")[0]  # 2 kB that say no more
            warnings.warn(
                f"checkpoints: the checkpoint of step {failed[0]} could not be written to "
                f"{self.folder}: {reason}; the run goes on, {last}",
                SaveWarning,
                stacklevel=4,
            )

    def close(self) -> None:
        """Wait, and let others have the folder; a second call does nothing.

        Where Ctrl-C cuts the wait short, the folder stays held, for the save is still writing.
        """
        try:
            self.wait()
        finally:
            if self._lock is not None and self._thread is None:
                self._lock.release()

    def _write(self, snapshot: Snapshot) -> None:
        try:
            # what a library, a disk or a path does not bear shows at the first save
            prove = not self._proven
            write_checkpoint(self.folder, snapshot, self._origin, self._keep, prove=prove)
            self._proven = True
        except Exception as error:  # said by the next `wait`, in the thread of the run
            self._error = snapshot.step, error
