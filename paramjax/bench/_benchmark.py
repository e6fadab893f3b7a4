"""One benchmark from workloads and entries to verdicts, without any display."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import jax

from paramjax._files import absolute_path, make_folder
from paramjax._locks import FolderLock
from paramjax._threads import workers
from paramjax._version import versions
from paramjax.bench._folder import (
    clear,
    hold,
    note_excluded,
    read_results,
    start_folder,
)
from paramjax.bench._look_over import look_over, refuse_foreign
from paramjax.bench._protocol import Protocol
from paramjax.bench._results import Results
from paramjax.bench._runner import Contestant, Progress, train_all
from paramjax.bench._seals import note_records
from paramjax.bench._stage import Stage, data_hash, make_stage, untrained, workload_hash
from paramjax.bench._stored import check_folder, check_rules, store_path
from paramjax.bench.entries import Entry, Excluded
from paramjax.bench.entries._first_step import first_steps
from paramjax.bench.statistics import UNDECIDED, looks_until
from paramjax.bench.workloads import Workload, default_margin, workload_warnings
from paramjax.populations.planning._guess import cores


class BaselineError(ValueError):
    """The baseline cannot take part, so there is nothing to compare with."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is compared, and by which rules.

    Attributes:
        workloads: Workloads of different names.
        entries: Optimizers of different names, the baseline among them.
        baseline: The name of the optimizer that the others are compared with.
        protocol: The rules of a comparison.
        out: Folder of the results.
        excluded: Optimizers that are known not to take part.
        fresh: Whether to delete the results of an earlier benchmark there.
        most: Replicates up to which those are added that are undecided; None adds none.
        flags: What the user asked for, as values of JSON, for the manifest.
    """

    workloads: Sequence[Workload]
    entries: Sequence[Entry]
    baseline: str
    protocol: Protocol = field(default_factory=Protocol)
    out: Path = Path("paramjax-bench")
    excluded: Sequence[Excluded] = ()
    fresh: bool = False
    most: int | None = None
    flags: dict[str, Any] = field(default_factory=dict)

    @property
    def looks(self) -> list[int]:
        """The numbers of replicates at which it is decided, fixed before anything is trained."""
        if self.most is None:
            return [self.protocol.replicates]
        return looks_until(self.most, self.protocol.replicates)


class Benchmark:
    """A benchmark that can start training.

    Attributes:
        stages: The workloads with data, splits and starts.
        entries: The optimizers that take part.
        excluded: The optimizers that cannot, with reasons.
        notices: What was found changed in the folder or was made anew, in sentences.

    Example:
        >>> import tempfile
        >>> from paramjax.bench import read_results, write_results
        >>> from paramjax.bench.entries import find_entries
        >>> from paramjax.bench.workloads import get
        >>> plan = Plan(
        ...     workloads=[get("quadratic_deep")], entries=find_entries(["sgd", "adam"])[0],
        ...     baseline="sgd", protocol=Protocol(replicates=2, trials=1, steps=2),
        ...     out=Path(tempfile.mkdtemp()),
        ... )
        >>> write_results(Benchmark(plan).run(), plan.out)
        >>> [verdict.optimizer for verdict in read_results(plan.out).verdicts]
        ['adam']
    """

    def __init__(self, plan: Plan) -> None:
        """Load data, try first steps, check the folder: all checks that come before training.

        Raises:
            ValueError: If data cannot be used.
            BaselineError: If the baseline cannot take part.
            RecordsMismatchError: If the folder holds a benchmark made under other rules, or files
                of something else where its own would stand.
            RunInUse: If another benchmark is at work in the folder.
            DamagedError: If a store is damaged, an older copy, or that of another optimizer.
            OSError: If the folder cannot be written.
        """
        self.plan, self._looks = plan, plan.looks
        self.notices: list[str] = []
        self._lock: FolderLock | None = None
        absolute_path("out", plan.out)  # refuses addresses, which would become local folders
        refuse_foreign(plan.out)
        if plan.out.is_dir():
            self._hold()
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        """Load data, try first steps, and check the folder."""
        plan = self.plan
        if not plan.fresh:
            check_folder(plan.out)
            self.notices += look_over(plan.out)
        most = self._looks[-1]
        with workers(cores()) as pool:
            self.stages = list(
                pool.map(lambda w: make_stage(w, plan.protocol, most), plan.workloads)
            )
            unfit = first_steps(self.stages, plan.entries)
            self._initial = list(pool.map(untrained, self.stages))
        self.excluded = [*plan.excluded, *unfit]
        self._require_baseline()
        out = {one.name for one in unfit}
        self.entries = [entry for entry in plan.entries if entry.optimizer.name not in out]
        make_folder("out", plan.out)
        self._hold()
        if plan.fresh:
            clear(plan.out)
        self._stop = threading.Event()
        rules = {stage.workload.name: self._rules(stage) for stage in self.stages}
        for name, own in rules.items():
            for entry in self.entries:
                check_rules(store_path(plan.out, name, entry.optimizer.name), own)
        names = [entry.optimizer.name for entry in plan.entries]
        start_folder(plan, [stage.workload.name for stage in self.stages], names, self.excluded)
        self._about = [
            self._described(*pair) for pair in zip(self.stages, self._initial, strict=True)
        ]
        self._shared_rules = rules

    def run(self, on_progress: Callable[[Progress], None] = lambda progress: None) -> Results:
        """Train what is missing, and return what the folder then holds.

        `on_progress` is called, from several threads, whenever trainings were recorded.
        """
        contestants = [
            Contestant(
                stage, entry, self.plan.out, self._shared_rules[stage.workload.name], about,
                on_progress, self._stop,
            )
            for stage, about in zip(self.stages, self._about, strict=True)
            for entry in self._baseline_first()
        ]  # fmt: skip
        try:
            return self._to_looks(contestants)
        finally:
            self._note(contestants)
            for one in contestants:
                one.close()
            self.close()

    def _hold(self) -> None:
        """Keep other processes out of the folder until this is closed or dropped."""
        if self._lock is None:
            self._lock = hold(self.plan.out)
            weakref.finalize(self, self._lock.release)

    def close(self) -> None:
        """Let other processes have the folder; `run` does so, too."""
        if self._lock is not None:
            self._lock.release()

    def _note(self, contestants: Sequence[Contestant]) -> None:
        """Note in the manifest what the stores hold."""
        stores = {path: store for one in contestants for path, store in one.stores.items()}
        note_records(self.plan.out, stores)
        self.notices += [notice for one in contestants for notice in one.notices]
        for one in contestants:
            one.notices = []

    def _to_looks(self, contestants: Sequence[Contestant]) -> Results:
        """Train to one look after the other, each time those that are undecided."""
        going = {one.names for one in contestants}
        for look in self._looks:
            failed = train_all([one for one in contestants if one.names in going], look)
            if failed:
                self.excluded += failed
                note_excluded(self.plan.out, self.excluded)
                self._require_baseline()
            self._note(contestants)
            results = read_results(self.plan.out)
            undecided = {
                (v.workload, v.optimizer) for v in results.verdicts if v.verdict == UNDECIDED
            }
            waiting = {workload for workload, _ in undecided}
            going = undecided | {(workload, self.plan.baseline) for workload in waiting}
            if not going:
                break
        return results

    @property
    def trainings(self) -> int:
        """Trainings of one optimizer on one workload up to the first look."""
        return self._looks[0] * self.plan.protocol.trainings

    def _baseline_first(self) -> list[Entry]:
        return sorted(self.entries, key=lambda entry: entry.optimizer.name != self.plan.baseline)

    def _require_baseline(self) -> None:
        for name, reason in self.excluded:
            if name == self.plan.baseline:
                raise BaselineError(f"the baseline {name} cannot take part: {reason}")

    def _rules(self, stage: Stage) -> dict[str, Any]:
        """What trainings of one folder share; more replicates may be added to them."""
        own = asdict(self.plan.protocol)
        protocol = {n: v for n, v in own.items() if n not in ("replicates", "these_rows")}
        used = {f"version of {name}": versions()[name] for name in ("paramjax", "jax", "optax")}
        devices = [f"{device.platform}:{device.device_kind}" for device in jax.devices()]
        hashes = {"data": data_hash(stage), "workload": workload_hash(stage)}
        return {**protocol, **used, "devices": devices, **hashes}

    def _described(self, stage: Stage, initial: list[float]) -> dict[str, Any]:
        """The fields of a `WorkloadResult`, without what was trained."""
        own, splits, rows = stage.workload, stage.splits, stage.splits.rows
        margin, reason = own.margin, own.margin_reason
        if margin is None:
            margin, reason = default_margin(own, rows["test"])
        return {
            "name": own.name, "description": own.description, "metric": own.metric,
            "maximise": own.maximise, "margin": margin, "margin_reason": reason,
            "bears_verdicts": own.bears_verdicts, "split": splits.kind, "rows": rows,
            "variance_ratio": splits.variance_ratio, "target": own.target, "initial": initial,
            "warnings": workload_warnings(
                replace(own, margin=margin), rows["validation"], rows["test"]
            ),
        }  # fmt: skip
