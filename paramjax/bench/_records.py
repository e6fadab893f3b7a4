"""`records.sqlite`: every training of a benchmark, and the rules it was done under."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paramjax.bench._rows import OptimizerRow, Training, WorkloadRow, describe_space
from paramjax.optim import Optimizer
from paramjax.populations._trial_run import Record
from paramjax.tuning.store._tables import Tables

FILE_NAME = "records.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (
  name TEXT PRIMARY KEY, value TEXT NOT NULL, hash TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS workloads (
  workload TEXT PRIMARY KEY, description TEXT NOT NULL, metric TEXT NOT NULL,
  maximise INTEGER NOT NULL, initial TEXT NOT NULL, fingerprint TEXT NOT NULL,
  hash TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS optimizers (
  optimizer TEXT PRIMARY KEY, source TEXT NOT NULL, space TEXT NOT NULL,
  fingerprint TEXT NOT NULL, hash TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trainings (
  workload TEXT NOT NULL, optimizer TEXT NOT NULL,
  phase TEXT NOT NULL CHECK (phase IN ('tuning', 'report')),
  trial INTEGER NOT NULL, seed INTEGER NOT NULL, hyperparameters TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('finished', 'diverged')), diverged_step INTEGER,
  metric TEXT NOT NULL, value REAL, curve TEXT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (workload, optimizer, phase, trial, seed));
CREATE VIEW IF NOT EXISTS results AS
  SELECT workload, optimizer, phase, trial, seed, status, metric, round(value, 6) AS value,
    hyperparameters
  FROM trainings ORDER BY workload, optimizer, phase DESC, trial, seed;
CREATE VIEW IF NOT EXISTS summary AS
  SELECT workload, optimizer, phase, count(*) AS trainings, sum(status = 'diverged') AS diverged,
    metric, round(avg(value), 6) AS mean, round(min(value), 6) AS min, round(max(value), 6) AS max
  FROM trainings GROUP BY workload, optimizer, phase ORDER BY workload, optimizer, phase DESC;
"""


class RecordsMismatchError(ValueError):
    """The records in a folder were made under other rules than the requested ones."""


class Records:
    """The records of one folder; safe to use from several threads.

    Args:
        folder: Folder of `records.sqlite`; both are made if missing.

    Raises:
        DamagedError: If the file exists but is not a database, or is damaged.
        OSError: If the folder cannot be made.

    Example:
        >>> import tempfile
        >>> records = Records(Path(tempfile.mkdtemp()))
        >>> records.trainings("digits_mlp", "adam", "tuning")
        []
        >>> records.close()
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE_NAME
        self._tables = Tables(
            self.path,
            _SCHEMA,
            "bring the file back, name another --out, or start over with --fresh",
        )

    def close(self) -> None:
        """Close the file."""
        self._tables.close()

    def require(self, rules: dict[str, Any]) -> None:
        """Write the rules into an empty file; refuse others in a file that has some.

        Args:
            rules: Name -> JSON value; a training may only be added under equal rules.

        Raises:
            RecordsMismatchError: With each rule that differs.
        """
        known = self.rules()
        differing = {name for name in rules if name in known and known[name] != rules[name]}
        if differing:
            changes = ", ".join(
                f"{name} was {known[name]!r} and is now {rules[name]!r}"
                for name in sorted(differing)
            )
            raise RecordsMismatchError(
                f"{self.path} was made under other rules: {changes}; continue under those, "
                "name another --out, or start over with --fresh"
            )
        self.note(rules)

    def rules(self) -> dict[str, Any]:
        """The rules and settings written so far."""
        return {name: json.loads(value) for name, value in self._tables.select("settings")}

    def note(self, settings: dict[str, Any]) -> None:
        """Write settings that may change from call to call, such as the baseline."""
        items = [(name, json.dumps(v, sort_keys=True)) for name, v in settings.items()]
        self._tables.insert("settings", items)

    def add_workload(self, row: WorkloadRow) -> None:
        """Write a workload.

        Raises:
            RecordsMismatchError: If the records hold it with other data or another metric.
        """
        known = {other.workload: other for other in self.workloads()}
        self._require_same("workload", row.workload, known.get(row.workload), row)
        initial = json.dumps({str(seed): value for seed, value in row.initial.items()})
        values = (*row[:3], int(row.maximise), initial, row.fingerprint)
        self._tables.insert("workloads", [values], verb="IGNORE")

    def add_optimizer(self, optimizer: Optimizer, fingerprint: str) -> None:
        """Write an optimizer.

        Raises:
            RecordsMismatchError: If the records hold it with another fingerprint.
        """
        row = OptimizerRow(optimizer.name, optimizer.source, describe_space(optimizer), fingerprint)
        known = {other.optimizer: other for other in self.optimizers()}
        self._require_same("optimizer", row.optimizer, known.get(row.optimizer), row)
        values = (row.optimizer, row.source, json.dumps(row.space), fingerprint)
        self._tables.insert("optimizers", [values], verb="IGNORE")

    def add(
        self, workload: str, optimizer: str, phase: str, metric: str, records: Sequence[Record]
    ) -> None:
        """Append trainings in one transaction."""
        rows = [
            (
                workload,
                optimizer,
                phase,
                record.trial,
                record.seed,
                json.dumps(record.hyperparameters),
                record.status,
                record.diverged_step,
                metric,
                _null(record.metrics[metric]),
                json.dumps({n: [_null(v) for v in vs] for n, vs in record.curve.items()}),
            )
            for record in records
        ]
        self._tables.insert("trainings", rows)

    def trainings(self, workload: str, optimizer: str, phase: str) -> list[Training]:
        """The trainings of one optimizer on one workload, by trial and seed."""
        rows = self._tables.select("trainings", workload=workload, optimizer=optimizer, phase=phase)
        found = [
            Training(trial, seed, json.loads(hp), status, step, _nan(value), _curve(curve))
            for _, _, _, trial, seed, hp, status, step, _, value, curve in rows
        ]
        return sorted(found, key=lambda training: (training.trial, training.seed))

    def workloads(self) -> list[WorkloadRow]:
        """The workloads written so far, in order."""
        rows = self._tables.select("workloads")
        return [
            WorkloadRow(
                name,
                text,
                metric,
                bool(higher),
                {int(seed): _nan(value) for seed, value in json.loads(initial).items()},
                fingerprint,
            )
            for name, text, metric, higher, initial, fingerprint in rows
        ]

    def optimizers(self) -> list[OptimizerRow]:
        """The optimizers written so far, in order."""
        rows = self._tables.select("optimizers")
        return [OptimizerRow(name, src, json.loads(sp), mark) for name, src, sp, mark in rows]

    def _require_same(self, kind: str, name: str, known: Any, row: Any) -> None:
        if known is not None and known.fingerprint != row.fingerprint:
            raise RecordsMismatchError(
                f"{self.path} holds trainings of {kind} {name!r} as it was before it changed; "
                "name another --out, or start over with --fresh"
            )


def _curve(text: str) -> dict[str, list[float]]:
    return {name: [_nan(value) for value in values] for name, values in json.loads(text).items()}


def _null(value: float) -> float | None:
    """JSON and SQLite have no NaN: what is not finite is kept as null."""
    return value if math.isfinite(value) else None


def _nan(value: float | None) -> float:
    return math.nan if value is None else float(value)
