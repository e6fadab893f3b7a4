"""The trainings of which equal bits are promised."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from paramjax._types import Batch
from paramjax.checkpoints._checkpoints import Checkpoints
from paramjax.runs._fit import fit
from paramjax.runs._result import Fit
from paramjax.runs._validation import Validation
from paramjax.verify._problem import BATCH_SIZE, ReferenceProblem

CHECKPOINTS, VALIDATIONS = 40, 60
"""How many a run has, about; their steps rarely coincide."""


def run(problem: ReferenceProblem, steps: int, **options: Any) -> Fit:
    """Train as every check does: the last batch of an epoch is kept, `options` are those of fit."""
    return fit(
        problem.trainer,
        problem.params,
        options.pop("data", problem.data),
        key=problem.key,
        steps=steps,
        progress=False,
        **{"batch_size": BATCH_SIZE, "last_batch": "keep", **options},
    )


def whole(problem: ReferenceProblem, steps: int) -> dict[str, Any]:
    """All that an uninterrupted run with validations leaves."""
    return everything(run(problem, steps, validation=_validation(problem, steps)))


def everything(result: Fit) -> dict[str, Any]:
    """All that a run leaves, as one tree: bits are promised of each leaf."""
    return {
        "params": result.params,
        "state": result.state._asdict(),
        "history": result.history,
        "validation": result.validation,
    }


def resumed(problem: ReferenceProblem, steps: int, folder: Path, end: int | None = None) -> Fit:
    """The run of so many steps from its newest checkpoint, if any, up to a step or to its end."""
    end = steps if end is None else end
    saving = Checkpoints(folder, every=max(1, end // CHECKPOINTS))
    return run(problem, end, checkpoints=saving, validation=_validation(problem, steps))


def cut(problem: ReferenceProblem, steps: int, folder: Path) -> Fit:
    """The run, ended and resumed at three steps that coincide with nothing else in it."""
    for end in (steps // 7, steps // 3 + 1, steps - 1, steps):
        result = resumed(problem, steps, folder, max(1, end))
    return result


def streamed(problem: ReferenceProblem, steps: int, folder: Path | None = None) -> Fit:
    """A run on a stream of batches, ended and resumed if there is a folder for checkpoints."""
    stream: dict[str, Any] = {"batch_size": None, "last_batch": "drop"}
    stream["data"] = functools.partial(_batches, problem)
    if folder is None:
        return run(problem, steps, **stream)
    for end in (max(1, steps // 3), steps):
        saving = Checkpoints(folder, every=max(1, steps // 5))
        result = run(problem, end, checkpoints=saving, **stream)
    return result


def _validation(problem: ReferenceProblem, steps: int) -> Validation:
    return problem.validation(max(1, steps // VALIDATIONS))


def _batches(problem: ReferenceProblem, first: int) -> Iterator[Batch]:
    """Batches from step `first` on, each drawn from the number of its step."""
    rows = len(problem.data["y"])
    for step in itertools.count(first):
        drawn = np.random.default_rng(step).choice(rows, BATCH_SIZE, replace=False)
        yield jax.tree.map(lambda leaf, drawn=drawn: np.asarray(leaf)[drawn], problem.data)
