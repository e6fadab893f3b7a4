"""The sweep, the search and the benchmark that `kills.py` kills: each goes on from its files.

Each function trains into a folder, wherever it stood, and returns all that must be the same
however often it was killed, as arrays by name.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import optuna

import paramjax as pj
import paramjax.bench.report
from paramjax.bench import Benchmark, Plan, Protocol, write_results
from paramjax.bench.entries import entry_of
from paramjax.bench.workloads import Workload
from paramjax.models import MLP

SPACE = {"learning_rate": pj.log_uniform(1e-4, 1.0), "nesterov": pj.choice([True, False])}
GRID = {"learning_rate": list(np.geomspace(1e-3, 0.3, 12)), "nesterov": [True, False]}


def rows() -> dict[str, Any]:
    """Numbers in [-0.5, 0.5), and which of the first three is the largest."""
    x = np.random.default_rng(0).random((400, 8), np.float32) - np.float32(0.5)
    return {"x": x, "y": x[:, :3].argmax(axis=1).astype(np.int32)}


def problem_parts() -> tuple[MLP, Callable[..., Any], Callable[..., Any]]:
    """A model, its loss, with noise that a second training must repeat, and a measure."""
    model = MLP((16, 3))

    def loss_fn(params, batch, key):
        noise = 0.05 * jax.random.normal(key, batch["x"].shape)
        logits = model.apply(params, batch["x"] + noise)
        loss = optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch["y"])
        return loss.mean(), {}

    def evaluate(params, data):
        return {"loss": loss_fn(params, data, jax.random.key(0))[0]}

    return model, loss_fn, evaluate


def population() -> tuple[Callable[..., Any], pj.Problem]:
    """What a sweep and a search train."""
    model, loss_fn, evaluate = problem_parts()

    def make_trainer(hp):
        tx = optax.sgd(hp["learning_rate"], 0.9, nesterov=hp["nesterov"])
        return pj.train_step(loss_fn, tx)

    data = rows()
    init = lambda key: model.init(key, data["x"][:1])  # noqa: E731
    return make_trainer, pj.Problem(
        init=init, data=data, batch_size=32, evaluate=evaluate, eval_data=data
    )


def sweep(folder: Path) -> dict[str, Any]:
    """Nine trials that are halved, and two kinds of programs."""
    make_trainer, problem = population()
    found = pj.sweep(
        make_trainer, SPACE, problem, trials=9, seeds=2, steps=1800, evaluations=3,
        key=jax.random.key(5), stopping=pj.tuning.successive_halving(3, least_steps=200),
        store=folder / "store", execution=_execution(6),
    )  # fmt: skip
    trees = {"params": found.params, "history": found.history}
    named = jax.tree_util.tree_leaves_with_path(trees)
    arrays = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in named}
    return {**arrays, "table": _text(found.to_frame().to_csv())}


def search(folder: Path) -> dict[str, Any]:
    """A grid of 24 trials of an Optuna study, in batches."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    make_trainer, problem = population()
    study = optuna.create_study(
        storage=f"sqlite:///{folder / 'study.db'}", study_name="one", load_if_exists=True,
        sampler=optuna.samplers.GridSampler(GRID, seed=0),
    )  # fmt: skip
    space = {**SPACE, "learning_rate": pj.log_uniform(1e-3, 0.3)}
    complete = [one for one in study.trials if one.state == optuna.trial.TrialState.COMPLETE]
    if len(complete) < 24:
        pj.search(
            study, make_trainer, space, problem, trials=24 - len(complete), batch=4, seeds=1,
            steps=600, key=jax.random.key(5), execution=_execution(1),
        )  # fmt: skip
    found = sorted(
        f"{one.params} {one.value!r} {one.state.name}"
        for one in study.trials
        if one.state != optuna.trial.TrialState.FAIL
    )
    return {"trials": _text("\n".join(found))}


def bench(folder: Path) -> dict[str, Any]:
    """Two optimizers, three replicates, verdicts and report."""
    model, loss_fn, evaluate = problem_parts()
    data = rows()
    workload = Workload(
        name="largest", init=lambda key: model.init(key, data["x"][:1]), data=data, batch_size=32,
        loss_fn=loss_fn, evaluate=evaluate, margin=0.01, metric="loss",
    )  # fmt: skip
    plan = Plan(
        workloads=[workload], entries=[entry_of("sgd", "sgd"), entry_of("adam", "adam")],
        baseline="sgd", protocol=Protocol(replicates=3, trials=3, steps=600), out=folder / "out",
    )  # fmt: skip
    benchmark = Benchmark(plan)
    write_results(benchmark.run(), plan.out)
    query = "SELECT trial, seed, hash FROM trainings ORDER BY trial, seed"
    stores = {}
    for path in sorted((plan.out / "records").glob("*/*.sqlite")):
        with closing(sqlite3.connect(path)) as db:
            stores[path.name] = _text(str(db.execute(query).fetchall()))
    noticed = {"notices": _text("\n".join(benchmark.notices))}
    return {**stores, **noticed, "verdicts": _text((plan.out / "verdicts.json").read_text())}


JOBS = {"sweep": sweep, "search": search, "bench": bench}


def train(folder: Path, job: str) -> None:
    """Go on where there is something to go on from, and store what must be the same."""
    logging.disable(logging.INFO)
    (folder / "note_running").touch()
    np.savez(folder / "final.npz", **JOBS[job](folder))


def _execution(size: int) -> pj.Execution:
    """A layout that does not depend on how fast the machine is today."""
    return pj.Execution(layout=pj.populations.Layout(size), progress=False)


def _text(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)
