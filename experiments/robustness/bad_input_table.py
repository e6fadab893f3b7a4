"""The bad inputs of `bad_inputs.py`: a name, a call, and a word that its refusal must hold."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optuna

import paramjax as pj
from paramjax.bench.entries import find_entries
from paramjax.bench.workloads import find_workload
from paramjax.populations import Layout


class BadInput(NamedTuple):
    """One bad input.

    Attributes:
        name: The function, a colon, and what is wrong.
        call: Makes the call.
        word: What the message must hold.
        may_warn: Whether a warning with that word is enough.
    """

    name: str
    call: Callable[[], Any]
    word: str
    may_warn: bool = False


TABLE: list[BadInput] = []
D = np.linspace(0, 1, 16, dtype=np.float32)
KEY, START = jax.random.key(0), jnp.float32(0)
SPACE = {"learning_rate": pj.log_uniform(1e-3, 0.5)}
HERE = Path(tempfile.mkdtemp(prefix="bad-inputs-"))
FILE = HERE / "file"
FILE.write_text("not a folder")


def bad(name: str, call: Callable[[], Any], word: str, *, may_warn: bool = False) -> None:
    """Add a row."""
    TABLE.append(BadInput(name, call, word, may_warn))


def loss_fn(w, batch, key):
    return jnp.mean((w - batch) ** 2), {}


def evaluate(w, batch):
    return {"loss": jnp.mean((w - batch) ** 2)}


def make_trainer(hp):
    return pj.train_step(loss_fn, optax.sgd(hp["learning_rate"]))


def fit(loss=loss_fn, tx=optax.sgd(0.1), hooks=(), **changes):  # noqa: B008
    trainer = pj.train_step(loss, tx, list(hooks))
    call = {"trainer": trainer, "params": START, "data": D, "key": KEY, "steps": 3, **changes}
    return pj.fit(call.pop("trainer"), call.pop("params"), call.pop("data"), **call)


def problem(**changes):
    return pj.Problem(**{"init": lambda key: START, "data": D, **changes})


def sweep(make=make_trainer, space=SPACE, of=None, **changes):
    call = {"trials": 2, "seeds": 1, "steps": 3, "key": KEY, **changes}
    return pj.sweep(make, space, problem() if of is None else of, **call)


def search(study=None, make=make_trainer, space=SPACE, of=None, **changes):
    call = {"trials": 2, "batch": 2, "seeds": 1, "steps": 3, "key": KEY, **changes}
    study = optuna.create_study() if study is None else study
    return pj.search(study, make, space, problem() if of is None else of, **call)


def cross(make=None, of=None, **changes):
    call = {"steps": 3, "key": KEY, "folds": 2, **changes}
    trainer = pj.train_step(loss_fn, optax.sgd(0.1)) if make is None else make
    return pj.cross_validate(trainer, problem(evaluate=evaluate) if of is None else of, **call)


def compare(optimizers=None, of=None, **changes):
    call = {"baseline": "sgd", "loss_fn": loss_fn, "trials": 1, "replicates": 2, "steps": 3}
    given = {"sgd": "sgd", "adam": "adam"} if optimizers is None else optimizers
    return pj.compare(problem() if of is None else of, given, **{**call, **changes})


def validation(**changes):
    call = {"evaluate": evaluate, "data": D, "every": 2, **changes}
    return fit(validation=pj.Validation(**call))


def checkpoints(**changes):
    return fit(checkpoints=pj.Checkpoints(**{"folder": HERE / "run", "every": 2, **changes}))


ALL = {"fit": fit, "sweep": sweep, "search": search, "cross_validate": cross, "compare": compare}
WHERE = {"sweep": sweep, "search": search, "cross_validate": cross, "compare": compare}

for name, call in ALL.items():
    for value in (0, -1, 2.5, True, "three", None):
        bad(f"{name}: steps={value!r}", lambda c=call, v=value: c(steps=v), "steps")
    bad(f"{name}: key=0", lambda c=call: c(key=0), "key")
    bad(f"{name}: a legacy key", lambda c=call: c(key=jax.random.PRNGKey(0)), "key")
    bad(f"{name}: two keys", lambda c=call: c(key=jax.random.split(KEY)), "key")
    bad(f"{name}: a misspelled argument", lambda c=call: c(step=3), "step")

BAD_DATA: dict[str, tuple[Any, str]] = {
    "empty": (D[:0], "empty"),
    "NaN": (np.where(D > 0.5, np.nan, D).astype(np.float32), "NaN"),
    "infinite": (np.where(D > 0.5, np.inf, D).astype(np.float32), "inf"),
    "words": (np.array(["a", "b"] * 8), "data"),
    "objects": (np.array([None, 1.0] * 8, dtype=object), "data"),
    "uneven": ({"x": D, "y": D[:3]}, "one length"),
    "scalar": (np.float32(1.0), "data"),
    "wide integers": ({"x": D, "id": np.full(16, 2**40)}, "32 bits"),
    "masked": (np.ma.masked_greater(D, 0.5), "mask"),
    "times": (np.array(["2020-01-01"] * 16, "datetime64[s]"), "data"),
}
for what, (data, word) in BAD_DATA.items():
    bad(f"fit: data {what}", lambda d=data: fit(data=d), word)
    bad(f"sweep: data {what}", lambda d=data: sweep(of=problem(data=d)), word)
    bad(f"cross_validate: data {what}",
        lambda d=data: cross(of=problem(data=d, evaluate=evaluate)), word)  # fmt: skip
    bad(f"compare: data {what}", lambda d=data: compare(of=problem(data=d)), word)
    bad(f"Validation: data {what}", lambda d=data: validation(data=d), word)
    bad(f"sweep: eval_data {what}",
        lambda d=data: sweep(of=problem(evaluate=evaluate, eval_data=d)), word)  # fmt: skip

for value in (0, -1, 1.5, "all", 17):
    bad(f"fit: batch_size={value!r}", lambda v=value: fit(batch_size=v), "batch_size")
    bad(f"sweep: batch_size={value!r}", lambda v=value: sweep(of=problem(batch_size=v)), "batch_s")
    bad(f"compare: batch_size={value!r}", lambda v=value: compare(of=problem(batch_size=v)), "bat")

BAD_LOSSES: dict[str, tuple[Callable[..., Any], str]] = {
    "no pair": (lambda w, b, k: jnp.mean(w - b), "loss"),
    "a vector": (lambda w, b, k: ((w - b) ** 2, {}), "scalar"),
    "None": (lambda w, b, k: None, "loss"),
    "two arguments": (lambda w, b: (jnp.mean(w - b), {}), "loss"),
    "metrics that are no mapping": (lambda w, b, k: (jnp.mean(w - b), 3.0), "metrics"),
    "a metric that is None": (lambda w, b, k: (jnp.mean(w - b), {"mine": None}), "mine"),
    "a metric of nested numbers": (lambda w, b, k: (jnp.mean(w - b), {"mine": {"a": w}}), "mine"),
    "an integer": (lambda w, b, k: (jnp.int32(3), {}), "loss"),
}
for what, (function, word) in BAD_LOSSES.items():
    bad(f"fit: a loss that returns {what}", lambda f=function: fit(f), word)
    bad(f"sweep: a loss that returns {what}", lambda f=function: sweep(
        lambda hp: pj.train_step(f, optax.sgd(hp["learning_rate"]))), word)  # fmt: skip

for name, params in {
    "None": None, "no leaves": {}, "integers": jnp.int32(3), "words": "w", "NaN": np.float32("nan"),
}.items():  # fmt: skip
    word = "NaN" if name == "NaN" else "param"
    bad(f"fit: params {name}", lambda p=params: fit(params=p), word if name != "NaN" else "finite")
    if name != "NaN":
        bad(f"sweep: init returns {name}",
            lambda p=params: sweep(of=problem(init=lambda key: p)), "param")  # fmt: skip
bad("fit: trainer=None", lambda: fit(trainer=None), "trainer")
bad("fit: trainer is a transformation", lambda: fit(trainer=optax.sgd(0.1)), "trainer")
bad("fit: last_batch='wrap'", lambda: fit(batch_size=5, last_batch="wrap"), "last_batch")
bad("fit: nonfinite='ignore'", lambda: fit(nonfinite="ignore"), "nonfinite")
bad("fit: logs is one writer", lambda: fit(logs=pj.logs.CSV(HERE / "a.csv")), "logs")
bad("fit: logs holds a path", lambda: fit(logs=["log.csv"]), "logs")
bad("fit: checkpoints is a path", lambda: fit(checkpoints=str(HERE / "r")), "checkpoints")
bad("fit: validation is a function", lambda: fit(validation=evaluate), "validation")
bad(
    "fit: model_state that the loss does not take", lambda: fit(model_state={"a": D}), "model_state"
)
bad("fit: tx=None", lambda: fit(tx=None), "tx")
bad("fit: a function instead of a hook", lambda: fit(hooks=[lambda s: s]), "hook")
bad("fit: an rbg key", lambda: fit(key=jax.random.key(0, impl="rbg")), "key")

for value in (0, -2, 1.5, "often"):
    bad(f"Validation: every={value!r}", lambda v=value: validation(every=v), "every")
bad("Validation: every=None", lambda: validation(every=None), "every")
bad("Validation: no function", lambda: validation(evaluate=3), "evaluate")
bad("Validation: no metrics", lambda: validation(evaluate=lambda w, b: w), "evaluate")
bad("Validation: metric not reported", lambda: validation(metric="accuracy"), "accuracy")
bad("Validation: patience=0",
    lambda: validation(early_stopping=pj.EarlyStopping(patience=0)), "patience")  # fmt: skip
bad("Validation: min_delta=-1",
    lambda: validation(early_stopping=pj.EarlyStopping(min_delta=-1.0)), "min_delta")  # fmt: skip
bad("Validation: early_stopping=3", lambda: validation(early_stopping=3), "early_stopping")

for value in ("", None, 3, "s3://bucket/run", "gs://bucket", b"bytes", "a\0b"):
    bad(f"Checkpoints: folder={value!r}", lambda v=value: checkpoints(folder=v), "checkpoints")
    bad(f"CSV: path={value!r}", lambda v=value: fit(logs=[pj.logs.CSV(v)]), "CSV")
    if value is not None:
        bad(f"sweep: store={value!r}", lambda v=value: sweep(store=v), "store")
        bad(f"compare: store={value!r}", lambda v=value: compare(store=v), "store")
bad("Checkpoints: a file in the way", lambda: checkpoints(folder=FILE / "a"), "checkpoints")
bad("sweep: a file in the way of its store", lambda: sweep(store=FILE / "a"), "store")
bad("compare: a file in the way of its store", lambda: compare(store=FILE / "a"), "file")
for value in (0, -1, 1.5, "daily", datetime.timedelta(0), datetime.timedelta(-1)):
    bad(f"Checkpoints: every={value!r}", lambda v=value: checkpoints(every=v), "every")
bad("Checkpoints: keep=3", lambda: checkpoints(keep=3), "keep")
bad("Keep: last=0", lambda: pj.checkpoints.Keep(last=0), "last")
bad("Keep: best=-1", lambda: pj.checkpoints.Keep(best=-1), "best")
for value in (0, -1, 1.5):
    bad(f"CSV: every={value!r}", lambda v=value: pj.logs.CSV(HERE / "b.csv", v), "every")
bad("inspect: no such folder", lambda: pj.checkpoints.inspect(HERE / "nowhere"), "nowhere")
bad("Rollback: factor=2", lambda: pj.Rollback(factor=2.0), "factor")
bad("Rollback: attempts=0", lambda: pj.Rollback(attempts=0), "attempts")

for value in (0, -1, 1.5, "many", None, []):
    bad(f"sweep: trials={value!r}", lambda v=value: sweep(trials=v), "trials")
for value in (0, -1, 1.5):
    bad(f"sweep: seeds={value!r}", lambda v=value: sweep(seeds=v), "seeds")
    bad(f"sweep: evaluations={value!r}", lambda v=value: sweep(evaluations=v), "evaluations")
    bad(f"search: batch={value!r}", lambda v=value: search(batch=v), "batch")
    bad(f"compare: replicates={value!r}", lambda v=value: compare(replicates=v), "replicates")
    bad(f"compare: trials={value!r}", lambda v=value: compare(trials=v), "trials")
bad("sweep: a trial outside of the space", lambda: sweep(trials=[{"learning_rate": 9.0}]), "lear")
bad("sweep: a trial of another name", lambda: sweep(trials=[{"rate": 0.1}]), "rate")
bad("sweep: space=None", lambda: sweep(space=None), "space")
bad("sweep: a number as distribution", lambda: sweep(space={"learning_rate": 0.1}), "learning_rate")
bad("sweep: unused hyperparameter",
    lambda: sweep(space={**SPACE, "other": pj.uniform(0.0, 1.0)}), "other")  # fmt: skip
bad("sweep: misspelled hyperparameter", lambda: sweep(space={"lr": SPACE["learning_rate"]}), "lear")
bad("sweep: metric not reported", lambda: sweep(of=problem(metric="accuracy"),
    stopping=pj.tuning.successive_halving()), "accuracy")  # fmt: skip
bad("sweep: make_trainer returns None", lambda: sweep(lambda hp: None), "trainer")
bad("sweep: make_trainer is a trainer", lambda: sweep(pj.train_step(loss_fn, optax.sgd(0.1))),
    "make_trainer")  # fmt: skip
bad("sweep: stopping='halving'", lambda: sweep(stopping="halving"), "stopping")
bad("sweep: fresh without a store", lambda: sweep(fresh=True), "fresh")
bad("sweep: execution=4", lambda: sweep(execution=4), "execution")
bad("sweep: of no problem", lambda: sweep(of=D), "problem")
bad("search: no study", lambda: search(study="study"), "study")
bad("search: another direction",
    lambda: search(optuna.create_study(direction="maximize")), "direction")  # fmt: skip
bad("search: two directions, one metric",
    lambda: search(optuna.create_study(directions=["minimize"] * 2)), "metric")  # fmt: skip
for value in (1, 0, 17, 2.5, "five"):
    bad(f"cross_validate: folds={value!r}", lambda v=value: cross(folds=v), "folds")
bad("cross_validate: without evaluate", lambda: cross(of=problem()), "evaluate")
bad("cross_validate: with eval_data",
    lambda: cross(of=problem(evaluate=evaluate, eval_data=D)), "eval_data")  # fmt: skip
bad("compare: unknown baseline", lambda: compare(baseline="adamw"), "baseline")
bad("compare: one optimizer", lambda: compare({"sgd": "sgd"}), "optimizers")
bad("compare: unknown optimizer", lambda: compare({"sgd": "sgd", "b": "adamm"}), "adam")
bad("compare: a made transformation",
    lambda: compare({"sgd": "sgd", "b": optax.adam(0.1)}), "factory")  # fmt: skip
bad("compare: def f(lr)", lambda: compare({"sgd": "sgd", "b": lambda lr: optax.sgd(lr)}), "'lr'")
bad("compare: margin=-1", lambda: compare(margin=-1.0), "margin")
bad("compare: no loss", lambda: compare(loss_fn=None), "loss_fn")

for low, high in ((1.0, 1e-3), (0.0, 1.0), (-1.0, 1.0), (float("nan"), 1.0), (1e-3, float("inf"))):
    bad(f"log_uniform: {low}, {high}", lambda a=low, b=high: pj.log_uniform(a, b), "log_uniform")
bad("uniform: 1, 0", lambda: pj.uniform(1.0, 0.0), "uniform")
bad("uniform: words", lambda: pj.uniform("a", "b"), "uniform")
bad("integer: halves", lambda: pj.integer(0.5, 3), "integer")
bad("integer: 3, 1", lambda: pj.integer(3, 1), "integer")
bad("choice: nothing", lambda: pj.choice([]), "choice")
bad("choice: a number", lambda: pj.choice(3), "choice")
bad("conditional: unknown parent", lambda: sweep(
    space={**SPACE, "b": pj.conditional("a", 1, pj.uniform(0.1, 0.2))}), "'a'")  # fmt: skip
bad("grid: zero points", lambda: pj.tuning.grid(0), "grid")
bad("successive_halving: reduction=1", lambda: pj.tuning.successive_halving(1), "reduction")
bad("Layout: width=0", lambda: Layout(0), "width")
bad("Execution: memory=-1", lambda: pj.Execution(memory=-1), "memory")

bad("table: rows that differ", lambda: pj.data.table(np.ones((3, 2)), [0, 1]), "one length")
bad("table: NaN", lambda: pj.data.table([[np.nan], [1.0]], [0, 1]), "NaN")
bad("table: words", lambda: pj.data.table([["a"], ["b"]], [0, 1]), "x")
bad("table: a label beyond", lambda: pj.data.table(np.ones((2, 1)), [0, 5], num_classes=3), "5")
bad("table: a negative label", lambda: pj.data.table(np.ones((2, 1)), [0, -1], num_classes=2), "-1")
bad("table: seconds since 1970", lambda: pj.data.table(
    (1.7e9 + np.arange(9.0))[:, None], np.zeros(9)), "x")  # fmt: skip
bad("split: fractions of 1.2", lambda: pj.data.split({"x": D}, fractions=(0.6, 0.4, 0.2)), "split")
bad("folds: k=1", lambda: pj.data.folds(10, 1, KEY), "folds")
bad("folds: more than rows", lambda: pj.data.folds(3, 5, KEY), "folds")
bad("batch_order: a batch beyond the rows", lambda: pj.data.batch_order(KEY, 3, 5, 2), "batch")
bad("read_idx: no such file", lambda: pj.data.read_idx(HERE / "nowhere"), "nowhere")
bad("read_idx: not such a file", lambda: pj.data.read_idx(FILE), "file")

bad("ema: decay=1.5", lambda: pj.hooks.ema(1.5), "decay")
bad("average_metrics: window=0", lambda: pj.hooks.average_metrics("loss", window=0), "window")
bad("average_metrics: unknown metric",
    lambda: fit(hooks=[pj.hooks.average_metrics("mine", window=2)]), "mine")  # fmt: skip
bad("polyak_average: every=0", lambda: pj.hooks.polyak_average(every=0), "every")
bad("accumulate: microbatches=0", lambda: pj.grads.accumulate(loss_fn, 0), "microbatches")
bad("accumulate: 3 of 16 rows",
    lambda: fit(pj.grads.accumulate(loss_fn, 3)), "microbatches")  # fmt: skip
bad("private: clip_norm=0", lambda: pj.grads.private(
    loss_fn, clip_norm=0.0, noise_multiplier=1.0), "clip_norm")  # fmt: skip
bad("poisson: rate=2", lambda: pj.grads.poisson(
    pj.train_step(pj.grads.private(
        loss_fn, clip_norm=1.0, noise_multiplier=1.0, expected_batch_size=2.0), optax.sgd(0.1)),
    2.0), "sampling_rate")  # fmt: skip
bad("optim.get: unknown", lambda: pj.optim.get("adamm"), "adam")
bad("optim.chain: clip_norm=-1",
    lambda: pj.optim.chain(optax.scale_by_adam(), 0.1, clip_norm=-1.0), "clip_norm")  # fmt: skip
bad("reduce_on_plateau: factor=2", lambda: pj.optim.reduce_on_plateau(2.0), "factor")
bad("reduce_on_plateau: without validation", lambda: fit(
    tx=optax.chain(optax.sgd(0.1), pj.optim.reduce_on_plateau())), "plateau")  # fmt: skip
bad("cross_entropy: labels of two axes", lambda: pj.losses.cross_entropy(
    jnp.ones((4, 3)), jnp.zeros((4, 1), int)), "labels")  # fmt: skip
bad("squared_error: [n] and [n, 1]", lambda: pj.losses.squared_error(
    jnp.ones((4, 1)), jnp.ones(4)), "targets")  # fmt: skip
bad("accuracy: [n, 1] labels", lambda: pj.metrics.accuracy(
    jnp.ones((4, 3)), jnp.zeros((4, 1), int)), "labels")  # fmt: skip
bad("weighted_sum: a weight too few", lambda: pj.losses.weighted_sum(
    {"a": loss_fn, "b": loss_fn}, {"a": 1.0}), "b")  # fmt: skip
bad("find_entries: no such file", lambda: find_entries(["nowhere.py:mine"]), "nowhere.py")
bad("find_workload: unknown", lambda: find_workload("digit"), "digit")
