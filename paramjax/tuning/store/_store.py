"""`records.sqlite`: every training of one sweep, with its arrays as bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from paramjax._arrays import numbers
from paramjax._checks import is_key
from paramjax._files import absolute_path, explained, make_folder
from paramjax._status import Status
from paramjax._types import PyTree
from paramjax.populations._outcome import Outcome, Summary
from paramjax.populations._trial_run import Record
from paramjax.space._options import option_texts
from paramjax.tuning.store._errors import StoreMismatchError, differences
from paramjax.tuning.store._tables import Tables, check_own

FILE_NAME = "records.sqlite"

_SCHEMA = """
CREATE TABLE settings (
  name TEXT PRIMARY KEY, value TEXT NOT NULL, hash TEXT NOT NULL);
CREATE TABLE trainings (
  trial INTEGER NOT NULL, seed INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('finished', 'worsened', 'diverged', 'stopped')),
  diverged_step INTEGER, steps INTEGER NOT NULL, reached INTEGER NOT NULL,
  computed INTEGER NOT NULL,
  hyperparameters TEXT NOT NULL, metrics TEXT NOT NULL, curve TEXT NOT NULL, hash TEXT NOT NULL,
  PRIMARY KEY (trial, seed));
CREATE TABLE arrays (
  trial INTEGER NOT NULL, seed INTEGER NOT NULL,
  results BLOB NOT NULL, resume_state BLOB, hash TEXT NOT NULL,
  PRIMARY KEY (trial, seed));
CREATE VIEW results AS
  SELECT trial, seed, status, diverged_step, steps, hyperparameters, metrics
  FROM trainings ORDER BY trial, seed;
"""

_ADVICE = "bring the file back, name another store, or start over with {fresh}"

Templates = Callable[[int], tuple[Any, Any]]
"""`(trial) -> ((params, model_state, history, curve), resume_state)`, trees like its arrays'."""


class Store:
    """The trainings of a sweep in a file, which survives the program: a `RecordStore`."""

    def __init__(
        self, path: str | Path, trials: Sequence[dict[str, Any]], templates: Templates,
        *, fresh: str = "fresh=True",
    ) -> None:  # fmt: skip
        self.path = file_of(path)
        if not self.path.exists():
            make_folder("store", self.path.parent)
        self._tables = Tables(self.path, _SCHEMA, _ADVICE.format(fresh=fresh))
        self._trials, self._templates = trials, templates

    @staticmethod
    def delete(path: str | Path) -> None:
        """Delete a store, if it exists, with the files that SQLite keeps beside it."""
        file = file_of(path)
        check_own(file)
        try:
            for suffix in ("", "-wal", "-shm", "-journal"):
                Path(f"{file}{suffix}").unlink(missing_ok=True)
        except OSError as error:
            raise explained("store", file, error) from error

    def require(self, identity: Mapping[str, Any]) -> None:
        """Note the sweep in an empty store; raise if the store holds another sweep."""
        identity = json.loads(json.dumps(identity))
        for table in ("trainings", "arrays"):
            self._tables.check(table)
        known = self.notes().get("identity")
        if known is None:
            self.note({"identity": identity})
            return
        changes = differences(known, identity)
        if changes:
            raise StoreMismatchError(
                f"store: {self.path} belongs to another sweep: {changes}; call the sweep as it "
                "was, name another store, or start over with fresh=True"
            )

    def notes(self) -> dict[str, Any]:
        """All notes, name -> value."""
        return {name: json.loads(value) for name, value in self._tables.select("settings")}

    def note(self, notes: Mapping[str, Any]) -> None:
        """Add notes about the sweep, those that are new."""
        known = dict(self._tables.select("settings"))
        written = {name: json.dumps(value) for name, value in notes.items()}
        new = [(name, text) for name, text in written.items() if known.get(name) != text]
        self._tables.insert("settings", new)

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Keep outcomes, all of them in one transaction."""
        self._tables.insert_all(
            {
                "trainings": [_row(outcome.summary) for outcome in outcomes],
                "arrays": [_arrays(outcome) for outcome in outcomes],
            }
        )

    def get(self, trial: int, seed: int) -> Outcome:
        """The latest outcome of a training."""
        which = {"trial": trial, "seed": seed}
        summaries = self._tables.select("trainings", **which)
        arrays = self._tables.select("arrays", **which)
        if not summaries or not arrays:
            raise KeyError((trial, seed))
        like, state_like = self._templates(trial)
        *_, results, packed_state = arrays[0]
        resume_state = None if packed_state is None else unpacked(packed_state, state_like)
        params, model_state, history, curve = unpacked(results, like)
        summary = self._summary(summaries[0])
        return Outcome(*summary, params, model_state, history, curve, resume_state)

    def summaries(self) -> dict[tuple[int, int], Summary]:
        """(trial, seed) -> the latest outcome without its arrays."""
        rows = self._tables.select("trainings")
        return {(trial, seed): self._summary((trial, seed, *rest)) for trial, seed, *rest in rows}

    def reached(self) -> dict[tuple[int, int], int]:
        """(trial, seed) -> the step that the training has reached."""
        rows = self._tables.columns("trainings", ("trial", "seed", "reached"))
        return {(trial, seed): reached for trial, seed, reached in rows}

    def hashes(self) -> list[str]:
        """The hash of each training, in the order they were added."""
        return [text for (text,) in self._tables.columns("trainings", ("hash",))]

    def close(self) -> None:
        """Close the file."""
        self._tables.close()

    def _summary(self, row: tuple[Any, ...]) -> Summary:
        trial, seed, status, lost, steps, reached, computed, _, metrics, curve = row
        record = Record(
            trial, seed, self._trials[trial], Status(status), lost, json.loads(metrics),
            json.loads(curve), steps,
        )  # fmt: skip
        return Summary(record, reached, computed)


def file_of(path: str | Path) -> Path:
    """The file of a store, of which the path names the file or its folder."""
    path = absolute_path("store", path)
    return path if path.suffix == ".sqlite" else path / FILE_NAME


def _row(summary: Summary) -> tuple[Any, ...]:
    record = summary.record
    return (
        record.trial,
        record.seed,
        record.status,
        record.diverged_step,
        record.steps,
        summary.reached,
        summary.computed,
        json.dumps(option_texts(record.hyperparameters)),
        json.dumps(record.metrics),
        json.dumps(record.curve),
    )


def _arrays(outcome: Outcome) -> tuple[Any, ...]:
    return (
        outcome.record.trial,
        outcome.record.seed,
        packed((outcome.params, outcome.model_state, outcome.history, outcome.curve)),
        None if outcome.resume_state is None else packed(outcome.resume_state),
    )


def packed(tree: PyTree) -> bytes:
    """A tree of arrays as bytes: a line with their dtypes and shapes, then their contents."""
    forms, contents = [], []
    for leaf in jax.tree.leaves(tree):
        kind = str(jax.random.key_impl(leaf)) if is_key(leaf) else None
        array = np.asarray(numbers(leaf))
        forms.append([str(array.dtype), array.shape, kind])
        contents.append(np.ascontiguousarray(array).tobytes())
    return b"".join([json.dumps(forms).encode(), b"\n", *contents])


def unpacked(blob: bytes, tree: PyTree) -> PyTree:
    """The tree of arrays that was packed; `tree` has its structure."""
    head, _, contents = blob.partition(b"\n")
    leaves, start = [], 0
    for name, shape, kind in json.loads(head):
        dtype = np.dtype(name)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        array: Any = np.frombuffer(contents, dtype, size // dtype.itemsize, start).reshape(shape)
        leaves.append(array if kind is None else jax.random.wrap_key_data(array, impl=kind))
        start += size
    structure: Any = jax.tree.structure(tree)
    if structure.num_leaves != len(leaves):
        raise ValueError(f"blob: expected {structure.num_leaves} arrays, got {len(leaves)}")
    return jax.tree.unflatten(structure, leaves)
