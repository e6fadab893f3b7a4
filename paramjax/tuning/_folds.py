"""The folds of a cross-validation: which rows each trains on, and which it holds out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from paramjax._checks import describe
from paramjax._types import Key
from paramjax.data._folds import folds as deal
from paramjax.populations._problem import Problem


class FoldGroup(NamedTuple):
    """Folds of one size."""

    fold: np.ndarray  # numbers of the folds, int32[folds]
    train: np.ndarray  # rows to train on, int32[folds, rows]
    held_out: np.ndarray  # rows to evaluate on, int32[folds, rows]


def check_held_out(problem: Problem) -> Callable[..., Any]:
    """The function that measures a fold; raise unless folds of the problem can be evaluated."""
    if problem.evaluate is None:
        raise TypeError("problem: evaluate: expected a function that measures a fold, got None")
    if problem.eval_data is not None:
        raise ValueError(
            "problem: eval_data: a cross-validation evaluates on the held-out rows of `data`, "
            f"expected None, got {describe(problem.eval_data)}"
        )
    return problem.evaluate


def check_rows_a_step(batch_size: int, rows: int) -> None:
    """Raise if a batch is larger than what a fold leaves to train on."""
    if batch_size > rows:
        raise ValueError(
            f"batch_size: expected at most the {rows} training rows of the smallest fold, got "
            f"{batch_size}; take a smaller batch, or None for all of them at each step"
        )


def held_out_steer() -> ValueError:
    """The error about a plateau, which would wait in vain or learn from held-out rows."""
    return ValueError(
        "make_trainer: reduce_on_plateau() waits for validations, and the rows that a fold holds "
        "out may only judge it; leave it out and take the rate and the schedule that a sweep or "
        "fit has found, or optax.contrib.reduce_on_plateau, which goes by the training loss"
    )


def fold_of_each_row(folds: Any, rows: int, key: Key, stratify: Any) -> np.ndarray:
    """The fold of each row, int32[rows], of a number of folds or as given."""
    if np.ndim(folds) == 0:
        return deal(rows, folds, key, stratify=stratify)
    fold = np.asarray(folds)
    if not np.issubdtype(fold.dtype, np.integer) or fold.shape != (rows,):
        raise ValueError(
            f"folds: expected a number, or the fold of each of the {rows} rows as integers, got "
            f"{describe(folds)}"
        )
    found = np.unique(fold)
    if len(found) < 2 or (found != np.arange(len(found))).any():
        raise ValueError(
            f"folds: expected numbers from 0 without a gap, at least 0 and 1, got {found.tolist()}"
        )
    if stratify is not None:
        raise ValueError("stratify: the fold of each row is given already; leave one of them out")
    return fold.astype(np.int32)


def fold_groups(fold: np.ndarray) -> list[FoldGroup]:
    """The folds grouped by size, so that each group is one array."""
    sizes = np.bincount(fold)
    members = [np.flatnonzero(sizes == size).astype(np.int32) for size in np.unique(sizes)]
    return [
        FoldGroup(
            numbers,
            np.stack([np.flatnonzero(fold != number) for number in numbers]).astype(np.int32),
            np.stack([np.flatnonzero(fold == number) for number in numbers]).astype(np.int32),
        )
        for numbers in members
    ]
