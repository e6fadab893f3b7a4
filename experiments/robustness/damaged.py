"""What `damage.py` damages: how each comes about, and the call that goes on from it."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optuna

import paramjax as pj
from paramjax._checks import is_key
from paramjax.bench import Benchmark, Plan, Protocol, write_results
from paramjax.bench.entries import entry_of
from paramjax.bench.workloads import Workload
from paramjax.models import MLP

MODEL = MLP((16, 3))
RNG = np.random.default_rng(0)
DATA = {"x": RNG.normal(size=(60, 5)).astype(np.float32), "y": RNG.integers(0, 3, 60)}
ONE = pj.Execution(layout=pj.populations.Layout(2), progress=False)
notices: list[str] = []
"""What a benchmark said of its folder in the last call."""


class Target(NamedTuple):
    """Something on a disk.

    Attributes:
        name: Its name.
        make: `(good, older, other)`: fill the folders with a finished one, an older copy of it,
            and another one of the same kind.
        resume: `(folder) -> result`: make the call again; equal results compare equal.
        counts: `(name) -> bool`: whether a file is damaged at all.
        missed: `(file, damage, said) -> str`: what should have been said and was not.
    """

    name: str
    make: Callable[[Path, Path, Path], None]
    resume: Callable[[Path], Any]
    counts: Callable[[str], bool] = lambda name: not name.endswith("lock")
    missed: Callable[[str, str, list[str]], str] = lambda file, damage, said: ""


def resumed(target: Target, folder: Path) -> tuple[Any, list[str]]:
    """Make the call again: its result, and what was said."""
    notices.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = target.resume(folder)
    return result, [str(one.message) for one in caught] + notices


def bits(tree: Any) -> list[bytes]:
    """The bytes of every array."""
    leaves = jax.tree.leaves(tree)
    numbers = [jax.random.key_data(leaf) if is_key(leaf) else leaf for leaf in leaves]
    return [np.asarray(leaf).tobytes() for leaf in numbers]


def loss_fn(params, batch, key):
    logits = MODEL.apply(params, batch["x"])
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch["y"]).mean(), {}


TRAINER = pj.train_step(loss_fn, optax.adamw(1e-2), [pj.hooks.ema(0.9)])


def fit(folder: Path, steps: int = 30, rate_key: int = 1) -> list[bytes]:
    """A run with checkpoints of steps 10, 20 and 30."""
    found = pj.fit(
        TRAINER, MODEL.init(jax.random.key(0), DATA["x"][:1]), DATA,
        key=jax.random.key(rate_key), steps=steps, batch_size=16,
        checkpoints=pj.Checkpoints(folder, every=10), progress=False,
    )  # fmt: skip
    return bits((found.params, found.state, found.history))


def make_runs(good: Path, older: Path, other: Path) -> None:
    """A run of 20 steps, which resuming makes 30; one of 10; one with another key."""
    fit(good, 20)
    fit(older, 10)
    fit(other, 20, 2)


def unnamed(file: str, damage: str, said: list[str]) -> str:
    """The newest checkpoint's damage must be named, with the file."""
    newest, _, inside = file.partition("/")
    if newest != "step_000000020" or damage in ("age", "swap"):
        return ""
    named = "stray" if damage == "add" else inside
    if any("step_000000020 is damaged" in text and named in text for text in said):
        return ""
    return f"damage not named, but {said}"


def population() -> tuple[Callable[..., Any], dict[str, Any], pj.Problem]:
    """What sweeps and searches train: least squares, two structures."""

    def make_trainer(hp):
        tx = optax.sgd(hp["learning_rate"], 0.5, nesterov=hp["nesterov"])
        return pj.train_step(lambda w, b, k: (jnp.mean((w - b) ** 2), {}), tx)

    space = {"learning_rate": pj.log_uniform(1e-2, 0.5), "nesterov": pj.choice([True, False])}
    data = np.linspace(0, 1, 16, dtype=np.float32)
    return make_trainer, space, pj.Problem(init=jax.random.normal, data=data)


def sweep(folder: Path, key: int = 0) -> tuple[str, list[bytes]]:
    """A sweep in a store."""
    make_trainer, space, problem = population()
    found = pj.sweep(
        make_trainer, space, problem, trials=6, seeds=2, steps=12, evaluations=2,
        key=jax.random.key(key), store=folder, execution=ONE,
    )  # fmt: skip
    return found.to_frame().to_csv(), bits((found.params, found.history))


def make_sweeps(good: Path, older: Path, other: Path) -> None:
    """A finished sweep, its store after the first chunk, and one of another key."""
    from paramjax.tuning.store._store import Store

    add = Store.add

    def once(store: Store, outcomes: Any) -> None:
        add(store, outcomes)
        if not older.exists():
            older.mkdir(parents=True)
            shutil.copy(store.path, older / store.path.name)

    Store.add = once
    sweep(good)
    Store.add = add
    sweep(other, 1)


def search(folder: Path, key: int = 0) -> list[str]:
    """A search of a grid in an Optuna storage, whose own errors count as refusals."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    make_trainer, space, problem = population()
    folder.mkdir(parents=True, exist_ok=True)
    grid = {"learning_rate": [0.02, 0.1, 0.3], "nesterov": [True, False]}
    complete = optuna.trial.TrialState.COMPLETE
    try:
        study = optuna.create_study(
            storage=f"sqlite:///{folder / 'study.db'}", study_name="one", load_if_exists=True,
            sampler=optuna.samplers.GridSampler(grid, seed=0),
        )  # fmt: skip
        left = 6 - sum(one.state == complete for one in study.trials)
    except Exception as error:
        raise ValueError(f"Optuna: {error}") from error
    pj.search(
        study, make_trainer, space, problem, trials=max(1, left), batch=2, seeds=1, steps=12,
        key=jax.random.key(key), execution=ONE,
    )  # fmt: skip
    # a grid that is used up begins again, with the same values
    return sorted({f"{one.params} {one.value!r}" for one in study.trials if one.state == complete})


def make_searches(good: Path, older: Path, other: Path) -> None:
    """A finished search, one with nothing in it yet, and one of another key."""
    search(good)
    older.mkdir(parents=True)
    search(other, 1)


def bench(folder: Path, replicates: int = 3, key: int = 0) -> tuple[bytes, int]:
    """A benchmark of two optimizers."""
    workload = Workload(
        name="rows", init=lambda key: jnp.zeros(()), data=np.linspace(0, 1, 40, dtype=np.float32),
        batch_size=4, loss_fn=lambda w, b, k: (jnp.mean((w - b) ** 2), {}), margin=0.01,
    )  # fmt: skip
    plan = Plan(
        workloads=[workload], entries=[entry_of("sgd", "sgd"), entry_of("adam", "adam")],
        baseline="sgd", protocol=Protocol(replicates=replicates, trials=2, steps=4, key=key),
        out=folder,
    )  # fmt: skip
    benchmark = Benchmark(plan)
    write_results(benchmark.run(), folder)
    notices.extend(benchmark.notices)
    return (folder / "verdicts.json").read_bytes(), len(list(folder.rglob("*.sqlite")))


def make_benches(good: Path, older: Path, other: Path) -> None:
    """Three replicates, the folder after two of them, and one of another key."""
    bench(good, 2)
    shutil.copytree(good, older)
    bench(good)
    bench(other, 3, 1)


TARGETS = {
    one.name: one
    for one in (
        Target("run", make_runs, fit, missed=unnamed),
        Target("sweep", make_sweeps, sweep),
        Target("search", make_searches, search),
        Target("bench", make_benches, bench),
    )
}
