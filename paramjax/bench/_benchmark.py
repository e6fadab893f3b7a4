"""One benchmark from the options to the verdicts, without any display."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from paramjax.bench._entries import Entry, Excluded, find_entries, spec_name
from paramjax.bench._manifest import manifest, write_json
from paramjax.bench._protocol import Protocol
from paramjax.bench._records import FILE_NAME, Records
from paramjax.bench._runner import Progress, Stage, note_rules, preflight, prepare, train_all
from paramjax.bench._statistics import Verdict, verdicts
from paramjax.bench.report._html import write_report
from paramjax.bench.workloads._registry import WORKLOADS
from paramjax.bench.workloads._registry import get as get_workload
from paramjax.optim import CATALOGUE

VERDICTS, MANIFEST, REPORT_PAGE = "verdicts.json", "manifest.json", "report.html"


class BaselineError(ValueError):
    """The baseline cannot take part, so there is nothing to compare with."""


class NoRecordsError(ValueError):
    """A folder holds no benchmark."""


@dataclass(frozen=True)
class Options:
    """The options of a benchmark.

    Attributes:
        workloads: Names; empty means all.
        optimizers: Names of the catalogue or `FILE.py:FACTORY`; empty means the whole catalogue.
        baseline: The optimizer that the others are compared with; always takes part.
        protocol: Counts and key.
        out: Folder of the results.
        fresh: Whether to delete the results of an earlier benchmark there.
    """

    workloads: tuple[str, ...] = ()
    optimizers: tuple[str, ...] = ()
    baseline: str = "adamw"
    protocol: Protocol = field(default_factory=Protocol)
    out: Path = Path("paramjax-bench")
    fresh: bool = False

    @property
    def specs(self) -> tuple[str, ...]:
        """The optimizers with the baseline among them."""
        return (*(self.optimizers or tuple(CATALOGUE)), self.baseline)

    @property
    def flags(self) -> dict[str, Any]:
        """The options as values of JSON, for the manifest."""
        return {
            "workload": list(self.workloads or WORKLOADS),
            "optimizer": list(dict.fromkeys(self.specs)),
            "baseline": self.baseline,
            **asdict(self.protocol),
            "out": str(self.out),
            "fresh": self.fresh,
        }


class Ready(NamedTuple):
    """A benchmark that can start training.

    Attributes:
        stages: The workloads with data and starts.
        entries: The optimizers that take part.
        excluded: The optimizers that cannot, with reasons.
        records: The open records.
    """

    stages: list[Stage]
    entries: list[Entry]
    excluded: list[Excluded]
    records: Records


def make_ready(options: Options) -> Ready:
    """Load data, resolve optimizers, open the records: all checks that come before training.

    Raises:
        ValueError: For an unknown workload or optimizer, or bad data.
        BaselineError: If the baseline cannot take part.
        RecordsMismatchError: If the folder holds records made under other rules.
    """
    workloads = [get_workload(name) for name in dict.fromkeys(options.workloads or WORKLOADS)]
    entries, broken = find_entries(options.specs)
    stages = [prepare(workload, options.protocol) for workload in workloads]
    entries, unfit = preflight(stages, entries, options.protocol)
    excluded = [*broken, *unfit]
    baseline = spec_name(options.baseline)
    for name, reason in excluded:
        if name == baseline:
            raise BaselineError(f"the baseline {name} cannot take part: {reason}")
    about = manifest(options.flags, [c.file for c in entries if c.file is not None])
    if options.fresh:
        clear(options.out)
    records = Records(options.out)
    try:
        note_rules(records, options.protocol, stages, entries, baseline, about)
    except ValueError:
        records.close()
        raise
    write_json(options.out / MANIFEST, {**about, "excluded": [x._asdict() for x in excluded]})
    return Ready(stages, entries, excluded, records)


def run(
    options: Options, ready: Ready, on_progress: Callable[[Progress], None]
) -> tuple[list[Verdict], list[Excluded]]:
    """Train what is missing, then write verdicts and report; return verdicts and exclusions.

    `on_progress` is called, from several threads, whenever trainings were recorded.
    """
    failed = train_all(ready.records, options.protocol, ready.stages, ready.entries, on_progress)
    excluded = [*ready.excluded, *failed]
    if failed:
        about = read_manifest(options.out)
        about["excluded"] = [entry._asdict() for entry in excluded]
        write_json(options.out / MANIFEST, about)
    return write_results(ready.records, options.out), excluded


def redraw(folder: Path) -> list[Verdict]:
    """Write verdicts and report of a folder again, without training.

    Raises:
        NoRecordsError: If the folder holds no benchmark, or a damaged manifest.
        DamagedError: If its records are damaged.
    """
    missing = [name for name in (FILE_NAME, MANIFEST) if not (folder / name).is_file()]
    if missing:
        raise NoRecordsError(
            f"{folder}: no {' and no '.join(missing)} there; make them with: "
            f"paramjax bench --out {folder}"
        )
    records = Records(folder)
    try:
        return write_results(records, folder)
    finally:
        records.close()


def write_results(records: Records, folder: Path) -> list[Verdict]:
    """`verdicts.json` and `report.html`, from the records and the manifest alone."""
    found = verdicts(records)
    write_json(folder / VERDICTS, [verdict._asdict() for verdict in found])
    about = read_manifest(folder)
    excluded = [Excluded(**entry) for entry in about.get("excluded", [])]
    write_report(records, about, excluded, folder / REPORT_PAGE)
    return found


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder; raise NoRecordsError if it is damaged."""
    try:
        about = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if not isinstance(about, dict):
            raise ValueError("expected a JSON object")
    except ValueError as error:
        raise NoRecordsError(
            f"{folder / MANIFEST}: damaged ({error}); the same bench command writes it anew"
        ) from error
    return about


def clear(folder: Path) -> None:
    """Delete what a benchmark wrote into a folder, and nothing else."""
    for name in (FILE_NAME, f"{FILE_NAME}-journal", VERDICTS, MANIFEST, REPORT_PAGE):
        path = folder / name
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder, expected a file; remove it by hand")
        path.unlink(missing_ok=True)
