"""Records written by hand, so that every value that must be drawn is known."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from paramjax.populations import Record


def training(trial, seed, hyperparameters, loss, status=None, **changes):
    """A record whose evaluated loss goes from 4 to its last value, at steps 10, 20, ..."""
    status = status or ("finished" if math.isfinite(loss) else "diverged")
    steps = {"finished": 40, "worsened": 40, "stopped": 20, "diverged": 15}[status]
    evaluated = [float(step) for step in range(10, steps + 1, 10)]
    values = np.linspace(4.0, loss if math.isfinite(loss) else 8.0, len(evaluated)).tolist()
    metrics = {"loss": loss, "accuracy": 1 / (1 + abs(loss))}
    curve = {"step": evaluated, "train_loss": values, "loss": values}
    lost = 14 if not math.isfinite(loss) else None
    record = Record(trial, seed, hyperparameters, status, lost, metrics, curve, steps)
    return record._replace(**changes)


@pytest.fixture
def make():
    """`[(hyperparameters, loss of each seed), ...] -> records`."""

    def records(trials, *, status=None, **changes):
        return [
            training(trial, seed, hyperparameters, loss, (status or {}).get(trial), **changes)
            for trial, (hyperparameters, losses) in enumerate(trials)
            for seed, loss in enumerate(losses)
        ]

    return records


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
