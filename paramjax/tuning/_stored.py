"""The store of a sweep: its identity, its layouts, and templates of its arrays."""

from __future__ import annotations

import contextlib
import json
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np

from paramjax._files import make_folder
from paramjax._format import option_name, option_names
from paramjax._hashes import array_hash, checksums, content_hash, program_hash
from paramjax._locks import FolderLock
from paramjax._types import Key
from paramjax.populations._execution import Layout
from paramjax.populations._mapped_loop import Carry
from paramjax.populations._population import Population
from paramjax.populations._structure_group import StructureGroup
from paramjax.populations._trial_run import TrialRun
from paramjax.populations.planning._execution_plan import ExecutionPlan
from paramjax.space._choice import Choice
from paramjax.space._conditional import unconditional
from paramjax.space._distribution import Space
from paramjax.space._options import encode, option_index
from paramjax.space._tracing import structure
from paramjax.tuning._folded import FoldPopulation
from paramjax.tuning.store._store import Store, file_of

Trials = Sequence[dict[str, Any]]
"""The hyperparameters of each trial."""


def identity_of(population: Population, trials: Trials, key: Key, stopping: str) -> dict[str, Any]:
    """The inputs that name a sweep: one with other inputs does not go on from its store."""
    fold = population.fold if isinstance(population, FoldPopulation) else None
    seeds = population.seeds[:1] if fold is None else population.seeds
    runs = [TrialRun(t, s, dict(hp)) for t, hp in enumerate(trials) for s in seeds]
    groups = population.groups(runs)
    programs: dict[str, str] = {}
    for group in groups:
        name = f"program {structure_text(population, group[0].hyperparameters)}".strip()
        # folds of another size have a program of their own
        name += f" {len(programs)}" if name in programs else ""
        programs[name] = program_of(population.structure_group(group[0]))
    starts = population.structure_group(groups[0][0]).shared.starts.made().params
    return {
        "jax": f"{jax.__version__} on {jax.default_backend()}",
        "key": np.asarray(jax.random.key_data(key)).tolist(),
        "trials": _trials_hash(population.space, trials),
        "seeds": len(population.seeds),
        "steps": population.steps,
        "evaluated at": list(population.evaluation_steps),
        "stopping": stopping,
        **programs,
        **checksums("initial", starts),
        **checksums("data", population.data),
        **checksums("eval_data", population.eval_data),
        **({} if fold is None else {"folds": array_hash(fold)[:16]}),
    }


def templates(population: Population, trials: Trials) -> Callable[[int], tuple[Any, Any]]:
    """A function that returns the trees of a trial's arrays."""

    def trees(trial: int) -> tuple[Any, Any]:
        traced = population.structure_group(TrialRun(trial, 0, dict(trials[trial]))).traced
        arrays = (*traced.kept.out, traced.step.out[1], traced.evaluate.out)
        return arrays, Carry(traced.init.out, np.bool_(True), np.int32(0))  # type: ignore[arg-type]

    return trees


def open_store(
    path: str | Path, population: Population, trials: Trials, key: Key,
    stopping: str, *, fresh: bool = False,
) -> Store:  # fmt: skip
    """Open the store of a sweep."""
    path = _own_file(path)
    if fresh:
        Store.delete(path)
    store = Store(path, trials, templates(population, trials))
    store.require(identity_of(population, trials, key, stopping))
    return store


@contextlib.contextmanager
def held(path: str | Path | None) -> Iterator[None]:
    """Hold a store while a sweep adds to it; results are read without."""
    if path is None:
        yield
        return
    file = _own_file(path)
    make_folder("store", file.parent)
    lock = FolderLock("store", file.parent, f"{file.name}.lock")
    try:
        yield
    finally:
        lock.release()


def _own_file(path: str | Path) -> Path:
    """The file of this process; each of a `jax.distributed` program has one."""
    file, process = file_of(path), jax.process_index()
    return file.with_name(f"{file.stem}.{process}{file.suffix}") if process else file


def in_temporary_file(population: Population, trials: Trials) -> Store:
    """A store that is deleted with the sweep whose results it holds."""
    folder = tempfile.TemporaryDirectory(prefix="paramjax-sweep-")
    store = Store(folder.name, trials, templates(population, trials))
    weakref.finalize(store, folder.cleanup)
    return store


def noted_layouts(space: Space, plan: ExecutionPlan) -> dict[str, Any]:
    """The layouts of a plan, as the notes of a store."""
    # the first of a structure holds, as `layout_of` says
    choices = reversed(plan.choices)
    layouts = {_text(space, choice.structure): asdict(choice.layout) for choice in choices}
    return {"layouts": layouts}


def layout_in(space: Space, notes: Mapping[str, Any]) -> Callable[[dict[str, Any]], Layout | None]:
    """`(structure) -> layout` from the notes of a store; None if it has none."""
    known = notes.get("layouts", {})

    def layout(fixed: dict[str, Any]) -> Layout | None:
        text = _text(space, fixed)
        return Layout(**known[text]) if text in known else None

    return layout


def structure_text(population: Population, hyperparameters: Mapping[str, Any]) -> str:
    """The structure of hyperparameters in words; empty if none of them is structure."""
    return _text(population.space, structure(population.space, hyperparameters))


def _text(space: Space, fixed: Mapping[str, Any]) -> str:
    """A structure in words, another for each, the same in every process."""
    return ", ".join(f"{name}={_named_value(space, name, v)}" for name, v in fixed.items())


def _named_value(space: Space, name: str, value: Any) -> str:
    drawn = unconditional(space[name])
    if not isinstance(drawn, Choice):
        return option_name(value)
    return option_names(drawn.options)[option_index(value, drawn.options)]


def _trials_hash(space: Space, trials: Trials) -> str:
    """16 digits of the hash of all hyperparameters; what an option computes, its program says."""
    drawn = {name: unconditional(distribution) for name, distribution in space.items()}
    options = {n: option_names(d.options) for n, d in drawn.items() if isinstance(d, Choice)}
    written = [encode(space, hyperparameters) for hyperparameters in trials]
    return content_hash(json.dumps([options, written]))[:16]


def program_of(structure_group: StructureGroup) -> str:
    """16 digits of the hash of what a structure computes."""
    traced = structure_group.traced
    functions = (traced.init, traced.step, traced.evaluate)
    return program_hash(*(function.jaxpr for function in functions))[:16]
