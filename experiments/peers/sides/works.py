"""What the sides of `all.py` train: data, sizes, optimizers; and how a side's process is asked.

Needs numpy alone, for PyTorch's interpreter need not have JAX. The start and the order of the
batches are ours (`model.init` and `pj.data.order_of`), written to a file that the sides read.
"""

from __future__ import annotations

import json
import sys
import time
from typing import NamedTuple

import numpy as np


class Work(NamedTuple):
    """One training: its size, its optimizer, its loss; `batch` None takes all rows at once."""

    title: str
    steps: int
    batch: int | None
    loss: str
    optimizer: str
    rate: float
    clip: bool = False
    turn: int = 1_000
    "Steps of a timed turn in steady state; sides that are slower at it take fewer."
    activation: str = ""


DIGITS = Work(
    "digits MLP 64-128-128-10, batch 128, clip + AdamW", 2_000, 128,
    "cross_entropy", "adamw", 1e-3, clip=True, turn=2_000, activation="relu",
)  # fmt: skip
WORKS = {
    "xor": Work(
        "XOR MLP 2-4-1, batch 1, Adam", 4_000, 1,
        "binary_cross_entropy", "adam", 0.01, turn=300_000, activation="sigmoid",
    ),
    "line": Work(
        "y = 3x, batch 32, SGD", 4_000, 32, "squared_error", "sgd", 0.01, turn=300_000
    ),
    "mlp": Work(
        "MLP 10-5-1, full batch, SGD", 1_000, None,
        "squared_error", "sgd", 0.01, turn=80_000, activation="relu",
    ),
    "digits": DIGITS,
    "cnn": Work(
        "CNN 28x28 (32, 64, dense 64, 10), batch 128, clip + AdamW", 100, 128,
        "cross_entropy", "adamw", 3e-4, clip=True, turn=20, activation="relu",
    ),
    "lstm": Work(
        "character LSTM 128, length 64, batch 32, clip + Adam", 50, 32,
        "cross_entropy", "adam", 1e-3, clip=True, turn=40,
    ),
}  # fmt: skip
DECAY = 1e-4
"""Of AdamW, optax's default."""
VOCABULARY, LENGTH = 65, 64


def data(name):
    """The rows to train on, as numpy arrays drawn from one seed: (x, y)."""
    rng = np.random.default_rng(0)
    if name == "xor":
        x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
        return x, np.array([[0], [1], [1], [0]], np.float32)
    if name == "line":
        x = rng.normal(size=(1_024, 1)).astype(np.float32)
        return x, (3 * x + 0.1 * rng.normal(size=x.shape)).astype(np.float32)
    if name == "mlp":
        x = rng.normal(size=(100, 10)).astype(np.float32)
        return x, np.maximum(x @ rng.normal(size=(10, 5)), 0).mean(-1, keepdims=True, dtype="f4")
    if name == "lstm":  # the next character is one of few
        tokens = np.cumsum(rng.integers(0, 4, (1_024, LENGTH + 1)), axis=1) % VOCABULARY
        return tokens[:, :-1].astype(np.int32), tokens[:, 1:].astype(np.int32)
    shape, rows = ((64,), 1_437) if name == "digits" else ((28, 28, 1), 1_024)
    centres = rng.normal(size=(10, *shape))
    y = rng.integers(0, 10, rows).astype(np.int32)
    return (0.2 * centres[y] + rng.normal(size=(rows, *shape))).astype(np.float32), y


def save(file, name, start, order):
    """Write data, start and order of a work; `start` maps names such as Dense_0/bias to arrays."""
    x, y = data(name)
    np.savez(file, x=x, y=y, order=order, **{f"start/{key}": leaf for key, leaf in start.items()})


class Given(NamedTuple):
    """What a side gets: rows, the first parameters by layer, the rows of each step."""

    x: np.ndarray
    y: np.ndarray
    start: dict
    order: np.ndarray

    def rows(self, steps):
        """Rows of as many steps, [steps, batch], from the first ones again where they end."""
        return np.resize(self.order, (steps, self.order.shape[1])).astype(np.int32)


def load(file):
    """What `save` wrote."""
    with np.load(file) as kept:
        start = {}
        for key in kept.files:
            if key.startswith("start/"):
                *layers, last = key.split("/")[1:]
                level = start
                for layer in layers:
                    level = level.setdefault(layer, {})
                level[last] = kept[key]
        return Given(kept["x"], kept["y"], start, kept["order"])


def final(losses):
    """The mean loss of the last tenth of the steps, of a hundred at most."""
    losses = np.asarray(losses, np.float64)
    return float(losses[-min(100, max(1, len(losses) // 10)) :].mean())


def serve(make, extra=dict):
    """Train once as `python SIDE.py WORK FILE`; or, with --steady, as often as stdin asks.

    `make(name, work, given)` returns `train(steps)`, which returns the losses once they are
    there. Prints a line of JSON for each training.
    """
    name, file, *rest = sys.argv[1:]
    work = WORKS[name]
    train = make(name, work, load(file))
    if "--steady" in rest:
        for line in sys.stdin:
            start = time.perf_counter()
            losses = train(int(line))
            taken = time.perf_counter() - start
            print(json.dumps({"seconds": taken, "loss": final(losses)}), flush=True)
    else:
        steps = next((int(word) for word in rest if word.isdigit()), work.steps)
        print(json.dumps({"loss": final(train(steps)), **extra()}), flush=True)
