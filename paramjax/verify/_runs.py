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
from paramjax.runs._fit import fit
from paramjax.runs._result import Fit
from paramjax.verify._problem import BATCH_SIZE, Problem

CHECKPOINTS, VALIDATIONS = 40, 60
"""How many there are in a whole run, about; their steps rarely fall together."""


def run(problem: Problem, steps: int, **options: Any) -> Fit:
    """Train as every check does: validated, with the last batch of an epoch kept.

    Args:
        problem: What is trained.
        steps: Steps in all.
        **options: Of `fit`, beside these.

    Returns:
        The run.
    """
    return fit(
        problem.trainer,
        problem.params,
        options.pop("data", problem.data),
        key=problem.key,
        steps=steps,
        progress=False,
        **{"batch_size": BATCH_SIZE, "last_batch": "keep", **options},
    )


def validated(problem: Problem, steps: int) -> dict[str, Any]:
    """The option that validates a run of so many steps."""
    return {"validation": problem.validation(max(1, steps // VALIDATIONS))}


def everything(result: Fit) -> dict[str, Any]:
    """All that a run leaves, as one tree: bits are promised of each leaf."""
    return {
        "params": result.params,
        "state": result.state._asdict(),
        "history": result.history,
        "validation": result.validation,
    }


def resumed(problem: Problem, steps: int, folder: Path) -> Fit:
    """The run from wherever its checkpoints are, to the end.

    Args:
        problem: What is trained.
        steps: Steps in all.
        folder: Of its checkpoints.

    Returns:
        The run.
    """
    every = max(1, steps // CHECKPOINTS)
    saving = {"checkpoint_dir": folder, "checkpoint_every": every, "resume": True}
    return run(problem, steps, **saving, **validated(problem, steps))


def cut(problem: Problem, steps: int, folder: Path) -> Fit:
    """The run, ended and resumed at three steps that belong to nothing else in it.

    Args:
        problem: What is trained.
        steps: Steps in all.
        folder: Of its checkpoints.

    Returns:
        The run.
    """
    for end in (steps // 7, steps // 3 + 1, steps - 1, steps):
        result = resumed(problem, max(1, end), folder)
    return result


def streamed(problem: Problem, steps: int, folder: Path | None = None) -> Fit:
    """A run on a stream of batches, ended and resumed where there is a folder.

    Args:
        problem: What is trained.
        steps: Steps in all.
        folder: Of its checkpoints, or None for none.

    Returns:
        The run.
    """
    stream: dict[str, Any] = {"batch_size": None, "last_batch": "drop"}
    stream["data"] = functools.partial(_batches, problem)
    if folder is None:
        return run(problem, steps, **stream)
    for end in (max(1, steps // 3), steps):
        saving = {"checkpoint_dir": folder, "checkpoint_every": max(1, steps // 5)}
        result = run(problem, end, resume=True, **saving, **stream)
    return result


def _batches(problem: Problem, first: int) -> Iterator[Batch]:
    """Batches from a step on, each drawn from its number."""
    rows = len(problem.data["y"])
    for step in itertools.count(first):
        drawn = np.random.default_rng(step).choice(rows, BATCH_SIZE, replace=False)
        yield jax.tree.map(lambda leaf, drawn=drawn: np.asarray(leaf)[drawn], problem.data)
