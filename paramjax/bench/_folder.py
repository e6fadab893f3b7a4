"""The folder of a benchmark: manifest, stores, verdicts and report."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paramjax._format import without_nonfinite
from paramjax._locks import FolderLock
from paramjax.bench._manifest import MANIFEST, manifest, write_json
from paramjax.bench._protocol import Protocol
from paramjax.bench._replicates import replicates_of, trainings_of
from paramjax.bench._results import OptimizerResult, Results, WorkloadResult
from paramjax.bench._seals import (
    OUTPUTS,
    RECORDS,
    change_manifest,
    check_store,
    lost_records,
    read_sealed,
    write_outputs,
    write_sealed,
)
from paramjax.bench._stored import FOLDER, OLD_FILE, read_store
from paramjax.bench._verdicts import flat, ranks_of, verdicts_of
from paramjax.bench.entries import Excluded
from paramjax.tuning import DamagedError

if TYPE_CHECKING:
    from paramjax.bench._benchmark import Plan

VERDICTS, REPORT_PAGE = "verdicts.json", "report.html"
CALIBRATION = "calibration.json"


class NoRecordsError(ValueError):
    """A folder holds no benchmark."""


def start_folder(
    plan: Plan, workloads: Sequence[str], optimizers: Sequence[str], excluded: Sequence[Excluded]
) -> None:
    """Write the manifest; the keys that were used in the folder before stay in it."""
    flags = {**asdict(plan.protocol), **plan.flags, "baseline": plan.baseline}
    about = manifest(flags, _files(plan))
    known = _manifest_or_nothing(plan.out)
    about |= {
        "protocol": asdict(plan.protocol),
        "baseline": plan.baseline,
        "workloads": list(dict.fromkeys([*workloads, *known.get("workloads", [])])),
        "optimizers": list(dict.fromkeys([*optimizers, *known.get("optimizers", [])])),
        "looks": plan.looks if plan.most is not None else [],
        "keys": list(dict.fromkeys([*known.get("keys", []), plan.protocol.key])),
        "excluded": [one._asdict() for one in excluded],
        RECORDS: {n: r for n, r in known.get(RECORDS, {}).items() if (plan.out / n).is_file()},
        OUTPUTS: known.get(OUTPUTS, {}),
    }
    write_sealed(plan.out / MANIFEST, about)


def _files(plan: Plan) -> list[Path]:
    """The user's files that optimizers and workloads come from."""
    specs = [spec.rpartition(":")[0] for spec in plan.flags.get("workload", ()) if ".py:" in spec]
    own = [entry.file for entry in plan.entries if entry.file is not None]
    return list(dict.fromkeys([*own, *map(Path, specs)]))


def note_excluded(out: Path, excluded: Sequence[Excluded]) -> None:
    """Write into the manifest which optimizers could not take part."""
    change_manifest(out, lambda m: m.update(excluded=[one._asdict() for one in excluded]))


def read_results(out: Path) -> Results:
    """What the folder holds: every optimizer whose trainings were made by the same rules.

    Raises:
        NoRecordsError: If the folder holds no benchmark, or a damaged manifest.
        DamagedError: If a store is damaged, gone, an older copy, or that of another optimizer.
    """
    about = read_manifest(out)
    for path in lost_records(out, about):
        raise DamagedError(
            f"{path} is gone, which {MANIFEST} knows of; bring it back, or train anew with the "
            "same bench command"
        )
    protocol, baseline = Protocol(**about["protocol"]), about["baseline"]
    stored = _stored(out, protocol, about)
    known = [name for name in about["workloads"] if name in stored]
    workloads = [_workload(stored[name], about) for name in known]
    rules = {**asdict(protocol), "looks": about["looks"]}
    return Results(
        rules=rules,
        baseline=baseline,
        workloads=workloads,
        verdicts=verdicts_of(workloads, baseline, rules),
        ranks={workload.name: ranks_of(workload) for workload in workloads},
        excluded=[Excluded(**one) for one in about["excluded"]],
        keys=about["keys"],
        calibration=_calibration(out, protocol),
        manifest=about,
    )


def write_results(results: Results, out: Path) -> None:
    """Write `verdicts.json` and `report.html`.

    Raises:
        RunInUse: If a benchmark is at work in the folder.
    """
    from paramjax.bench.report import write_report  # loads the drawing libraries

    verdicts = [without_nonfinite(flat(verdict)) for verdict in results.verdicts]
    lock = hold(out)
    try:
        write_outputs(
            out,
            {
                VERDICTS: lambda path: write_json(path, verdicts),
                REPORT_PAGE: lambda path: write_report(results, path),
            },
        )
    finally:
        lock.release()


def hold(out: Path) -> FolderLock:
    """Keep other processes out of an existing folder.

    Raises:
        RunInUse: If one holds it; the message says which.
    """
    return FolderLock("benchmark", out)


def read_manifest(out: Path) -> dict[str, Any]:
    """The manifest of a folder.

    Raises:
        NoRecordsError: If the folder has no manifest, or a damaged one.
    """
    path = out / MANIFEST
    if not path.is_file():
        old = f", but {OLD_FILE} of an older paramjax" if (out / OLD_FILE).exists() else ""
        raise NoRecordsError(
            f"{out}: no {MANIFEST} there{old}; make a benchmark with: paramjax bench --out {out}"
        )
    try:
        about = read_sealed(path)
        missing = {"protocol", "baseline", "workloads", "keys", "excluded", "looks"} - set(about)
        if missing:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    except (ValueError, TypeError) as error:
        raise NoRecordsError(
            f"{path}: damaged ({error}); the same bench command writes it anew"
        ) from error
    return dict(about)


def clear(out: Path) -> None:
    """Delete what a benchmark wrote into a folder, and nothing else; the keys stay noted."""
    known = _manifest_or_nothing(out)
    for name in (VERDICTS, MANIFEST, REPORT_PAGE, CALIBRATION, OLD_FILE, f"{OLD_FILE}-journal"):
        path = out / name
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder, expected a file; remove it by hand")
        path.unlink(missing_ok=True)
    for path in (out / FOLDER).glob("*/*.sqlite*"):
        path.unlink()
    for folder in [*(out / FOLDER).glob("*"), out / FOLDER]:
        with contextlib.suppress(OSError):  # foreign files stay
            folder.rmdir()
    if known.get("keys"):
        write_sealed(out / MANIFEST, {"keys": known["keys"]})


Stored = dict[str, tuple[dict[str, Any], OptimizerResult]]
"""Optimizer -> the notes of its store, and what it holds."""


def _stored(out: Path, protocol: Protocol, about: dict[str, Any]) -> dict[str, Stored]:
    """Workload -> its optimizers, of every store in the folder that says whose it is."""
    found: dict[str, Stored] = {}
    for path in sorted((out / FOLDER).glob("*/*.sqlite")):
        store, notes = read_store(path)
        try:
            check_store(out, path, store, notes, about)
            if "names" in notes:
                workload, optimizer = notes["names"]
                own = _optimizer(store.summaries(), notes, protocol)
                found.setdefault(workload, {})[optimizer] = (notes, own)
        finally:
            store.close()
    return found


def _workload(found: Stored, about: dict[str, Any]) -> WorkloadResult:
    """One workload with the optimizers that were trained by the rules of the baseline."""
    first = found.get(about["baseline"], next(iter(found.values())))[0]
    order = [*about["optimizers"], *found]
    described = dict(first["workload"])
    count = len(described["initial"])  # an earlier call may have made more of other optimizers
    optimizers = {
        n: found[n][1]._replace(replicates=found[n][1].replicates[:count])
        for n in dict.fromkeys(order)
        if n in found and found[n][0]["rules"] == first["rules"]
    }
    if described["margin"] is None:
        untrained = float(np.mean(described["initial"]))
        won = abs(untrained - _mean_score(optimizers.get(about["baseline"])))
        described["margin"] = 0.01 * won if math.isfinite(won) else 0.0
    warnings = [*described["warnings"], *_untrained(optimizers, described)]
    capped = {n: _capped(own, described) for n, own in optimizers.items()}
    return WorkloadResult(**{**described, "warnings": warnings}, optimizers=capped)


def _capped(own: OptimizerResult, described: dict[str, Any]) -> OptimizerResult:
    """An optimizer whose scores are at worst those of the untrained parameters.

    Nobody has to train to have these, and an optimizer that climbs has scores of any size, whose
    spread would hide that it is worse.
    """
    best = max if described["maximise"] else min
    replicates = [
        one._replace(score=best(one.score, float(initial)))
        for one, initial in zip(own.replicates, described["initial"], strict=False)
    ]
    return own._replace(replicates=replicates)


def _untrained(optimizers: dict[str, OptimizerResult], described: dict[str, Any]) -> list[str]:
    """Which optimizers ended worse than they began."""
    found = []
    for name, own in optimizers.items():
        before = [one.score for one in own.replicates]
        after = [one.score for one in _capped(own, described).replicates]
        moved = sum(a != b for a, b in zip(before, after, strict=True) if math.isfinite(a))
        if moved:
            found.append(
                f"{name} ended worse than the untrained parameters in {moved} of {len(before)} "
                "replicates, which count with the score of those"
            )
    return found


def _optimizer(summaries: Any, notes: dict[str, Any], protocol: Protocol) -> OptimizerResult:
    own, count = notes["workload"], notes["replicates"]
    trainings = trainings_of(summaries, own["metric"])
    return OptimizerResult(
        optimizer=notes["names"][1],
        source=notes["source"],
        space=notes["space"],
        schedule=notes["schedule"],
        audit=notes["audit"],
        replicates=replicates_of(trainings, protocol, count, maximise=own["maximise"]),
    )


def _mean_score(result: OptimizerResult | None) -> float:
    """The mean score over the replicates that are not lost; NaN if all are lost."""
    scores = np.array([] if result is None else result.scores)
    finite = scores[np.isfinite(scores)]
    return float(finite.mean()) if finite.size else math.nan


def _calibration(out: Path, protocol: Protocol) -> dict[str, Any] | None:
    """The last calibration, unless it is about another protocol; the key may be another."""
    path = out / CALIBRATION
    if not path.is_file():
        return None
    try:
        known = read_sealed(path)
        about = {**known["protocol"], "key": protocol.key}
    except (ValueError, TypeError, KeyError) as error:
        raise NoRecordsError(
            f"{path}: damaged ({error}); delete it, or make it anew with: "
            f"paramjax calibrate --out {out}"
        ) from error
    return dict(known) if about == asdict(protocol) else None


def _manifest_or_nothing(out: Path) -> dict[str, Any]:
    """The manifest of a folder, which may be there, damaged or not yet whole."""
    try:
        return read_sealed(out / MANIFEST)
    except (OSError, ValueError):
        return {}
