"""Sweeps of records written by hand, so that every value that must be drawn is known."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from paramjax import Sweep
from paramjax.populations import Record
from paramjax.populations._outcome import Summary

STEPS = 40


class Left:
    """What trainings left, as `Results` tells it."""

    def __init__(self, records, history):
        self.records, self.losses = records, history

    def summaries(self):
        return [Summary(record, record.steps, record.steps) for record in self.records]

    def history(self):
        return self.losses

    def curve(self):
        return {}


def training(trial, seed, hyperparameters, loss, status=None, **rest):
    """A record whose evaluated loss falls from 4 to its last value, at steps 10, 20, ..."""
    status = status or ("finished" if math.isfinite(loss) else "diverged")
    steps = {"finished": STEPS, "stopped": STEPS // 2, "diverged": 15}[status]
    points = [float(step) for step in range(10, steps + 1, 10)]
    values = np.linspace(4.0, loss if math.isfinite(loss) else 8.0, len(points)).tolist()
    metrics = {"loss": loss, "accuracy": 1 / (1 + abs(loss))}
    curve = {"step": points, "train_loss": values, "loss": values}
    lost = 14 if not math.isfinite(loss) else None
    record = Record(trial, seed, hyperparameters, status, lost, metrics, curve, steps)
    return record._replace(**rest)


@pytest.fixture
def swept():
    """`(space, [(hyperparameters, loss of each seed), ...]) -> Sweep`."""

    def make(space, trials, *, status=None, history=None, **rest):
        records = [
            training(trial, seed, hyperparameters, loss, (status or {}).get(trial), **rest)
            for trial, (hyperparameters, losses) in enumerate(trials)
            for seed, loss in enumerate(losses)
        ]
        falling = np.tile(np.linspace(4.0, 1.0, STEPS), (len(records), 1))
        left = Left(records, {"loss": falling} if history is None else history)
        return Sweep(space, SimpleNamespace(steps=STEPS), [], left, None)

    return make


@pytest.fixture
def ax():
    return Figure().add_subplot()


@pytest.fixture
def labelled():
    """`(axes) -> {text in the legend: what was drawn}`."""

    def find(ax):
        handles, texts = ax.get_legend_handles_labels()
        return dict(zip(texts, handles, strict=True))

    return find
