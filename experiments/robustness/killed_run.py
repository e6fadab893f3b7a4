"""The run that `kills.py` kills: it goes on wherever it stood, and stores all that it returns."""

from __future__ import annotations

import datetime
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

import paramjax as pj
from paramjax._checks import is_key
from paramjax.models import MLP

EVERY = 500
"""Steps between checkpoints, and twice those between validations."""


class Batches:
    """Batches drawn one after the other, with a state as grain's iterators have one."""

    def __init__(self) -> None:
        self.place = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        self.place += 1
        return rows(32, self.place)

    def get_state(self) -> dict[str, int]:
        """Where it stands."""
        return {"place": self.place}

    def set_state(self, state: dict[str, int]) -> None:
        """Go there."""
        self.place = state["place"]


class Epochs:
    """Three hundred batches, the same ones whenever it is iterated."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return itertools.islice(Batches(), 300)


class Noted:
    """A writer that writes nothing but a note that the steps begin."""

    def __init__(self, note: Path) -> None:
        self.note = note

    def open(self, step: int) -> None:
        """Note it."""
        self.note.touch()

    def write(self, *arguments: object) -> None:
        """Nothing."""

    validated = flush = close = write


def rows(count: int, seed: int) -> dict[str, Any]:
    """Numbers in [-0.5, 0.5), and which of the first three is the largest."""
    x = np.random.default_rng(seed).random((count, 8), np.float32) - np.float32(0.5)
    return {"x": x, "y": x[:, :3].argmax(axis=1).astype(np.int32)}


def make_trainer(note: Path) -> tuple[Any, Any, Callable[..., Any]]:
    """A trainer with all kinds of state, where it starts, and a measure that takes its time."""
    model = MLP((32, 3))

    def mean_loss(params, x, y):
        logits = model.apply(params, x)
        return optax.losses.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    def loss_fn(params, seen, batch, key):
        kept = jax.random.bernoulli(key, 0.9, batch["x"].shape)  # noise that a resume must repeat
        seen = 0.99 * seen + 0.01 * batch["x"].mean(axis=0)
        return mean_loss(params, batch["x"] * kept, batch["y"]), (seen, {})

    def take_time(loss):
        note.touch()
        time.sleep(0.008)
        note.unlink(missing_ok=True)
        return loss

    def evaluate(params, seen, batch):
        loss = mean_loss(params, batch["x"], batch["y"])
        return {"loss": jax.pure_callback(take_time, jax.ShapeDtypeStruct((), "float32"), loss)}

    rate = pj.optim.reduce_on_plateau(factor=0.9, patience=3)
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(3e-3), rate)
    trainer = pj.train_step(
        loss_fn, tx, [pj.hooks.ema(0.99), pj.hooks.skip_nonfinite()], stateful=True
    )
    return trainer, jax.jit(model.init)(jax.random.key(0), rows(1, 0)["x"]), evaluate


def train(folder: Path, variant: str, steps: int) -> None:
    """Go on where there is something to go on from, and store all that the run returns."""
    running, evaluating = folder / "note_running", folder / "note_evaluating"
    running.unlink(missing_ok=True)
    evaluating.unlink(missing_ok=True)
    trainer, params, evaluate = make_trainer(evaluating)
    streams: dict[str, Any] = {"iterator": Batches, "iterable": Epochs}
    batches = {} if variant in streams else {"batch_size": 32, "last_batch": "keep"}
    stopping = pj.EarlyStopping(patience=steps, restore_best=True)
    by_clock = datetime.timedelta(seconds=0.05)
    fit = pj.fit(
        trainer,
        params,
        streams[variant]() if variant in streams else rows(250, 0),
        key=jax.random.key(1),
        steps=steps,
        model_state=np.zeros(8, np.float32),
        **batches,
        validation=pj.Validation(
            evaluate, rows(90, 1), every=EVERY // 2, batch_size=32, early_stopping=stopping
        ),
        checkpoints=pj.Checkpoints(
            folder / "run",
            every=by_clock if variant == "clock" else EVERY,
            keep=pj.checkpoints.Keep(last=2, best=1),
        ),
        logs=[
            pj.logs.CSV(folder / "log.csv", every=50),
            pj.logs.JSONLines(folder / "log.jsonl", 50),
            Noted(running),
        ],
    )  # fmt: skip
    named = jax.tree_util.tree_leaves_with_path(fit._asdict() | {"status": 0})
    plain = lambda leaf: jax.random.key_data(leaf) if is_key(leaf) else leaf  # noqa: E731
    np.savez(folder / "final.npz", **{jax.tree_util.keystr(p): plain(v) for p, v in named})
