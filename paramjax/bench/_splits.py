"""Which rows each replicate trains on, is tuned on and is scored on."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from paramjax._types import Key, PyTree
from paramjax.bench.workloads import Workload
from paramjax.data._validation import check_data

ANEW, ONCE, PUBLISHED = "anew", "once", "published"
TEST_FIXED, TRAINING_FIXED = "test fixed", "training fixed"

SHARE = 0.2
"""Share of the rows that validation and test take each."""


class Splits(NamedTuple):
    """The splits of all replicates: the data once, and row numbers.

    Attributes:
        kind: `anew` in each replicate, `once` for all, `published`, `test fixed` or
            `training fixed`.
        data: Rows to train on, leaves [rows, ...].
        eval_data: Rows to evaluate on; `data` itself if the split varies.
        train: int32[replicates, rows], of `data`.
        validation: int32[replicates, rows], of `eval_data`.
        test: int32[replicates, rows], of `eval_data`.
    """

    kind: str
    data: PyTree
    eval_data: PyTree
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each part of one replicate."""
        parts = ("train", "validation", "test")
        return {name: int(getattr(self, name).shape[1]) for name in parts}

    @property
    def variance_ratio(self) -> float:
        """Test rows per row that the procedure learns from, if the split varies; else 0.

        Nadeau and Bengio (2003, section 4): replicates share rows, so their mean is less certain
        than its spread says. The procedure learns from validation rows too: they choose the trial.
        """
        rows = self.rows
        learned = rows["train"] + rows["validation"]
        return rows["test"] / learned if self.kind == ANEW else 0.0


def make_splits(workload: Workload, key: Key, replicates: int, *, fixed: bool = False) -> Splits:
    """Draw the rows of each replicate, the same ones whatever the number of replicates.

    `fixed` gives every replicate the rows of the first.

    Raises:
        ValueError: If a part would be empty, or the parts differ in form.
    """
    if fixed:
        first = make_splits(workload, key, 1)
        parts = {n: np.repeat(getattr(first, n), replicates, axis=0) for n in first.rows}
        kind = first.kind if first.kind == PUBLISHED else ONCE
        return first._replace(kind=kind, **parts)
    return _drawn_splits(workload, key, replicates)


def _drawn_splits(workload: Workload, key: Key, replicates: int) -> Splits:
    data, validation, test = workload.data, workload.eval_data, workload.test_data
    if validation is None and test is None:
        return _anew(workload, key, replicates)
    if validation is None:
        drawn = _drawn(key, replicates, check_data(data), [SHARE])
        fixed = _whole(replicates, check_data(test))
        pool = joined(workload.name, data, test)
        shifted = fixed + drawn[0].shape[1] + drawn[1].shape[1]
        return Splits(TEST_FIXED, data, pool, drawn[0], drawn[1], shifted)
    train = _whole(replicates, check_data(data))
    if test is None:
        _, *halves = _drawn(key, replicates, check_data(validation), [0.5, 0.5])
        return Splits(TRAINING_FIXED, data, validation, train, *halves)
    first, second = check_data(validation), check_data(test)
    pool = joined(workload.name, validation, test)
    rows = _whole(replicates, first), _whole(replicates, second) + first
    return Splits(PUBLISHED, data, pool, train, *rows)


def _anew(workload: Workload, key: Key, replicates: int) -> Splits:
    rows = check_data(workload.data)
    if int(SHARE * rows) < 1:
        raise ValueError(
            f"{workload.name}: data: expected at least {round(1 / SHARE)} rows to split into "
            f"training, validation and test, got {rows}"
        )
    parts = _drawn(key, replicates, rows, [SHARE, SHARE])
    return Splits(ANEW, workload.data, workload.data, *parts)


def _drawn(key: Key, replicates: int, rows: int, shares: list[float]) -> list[np.ndarray]:
    """Rows in a random order cut into what is left and one part a share, [replicates, rows]."""
    draw = jax.jit(lambda k: jax.random.permutation(jax.random.fold_in(key, k), rows))
    orders = np.stack([np.asarray(draw(k)) for k in range(replicates)]).astype(np.int32)
    sizes = [int(share * rows) for share in shares]
    ends = np.cumsum([rows - sum(sizes), *sizes])[:-1]
    return np.split(orders, ends, axis=1)


def _whole(replicates: int, rows: int) -> np.ndarray:
    """All rows in order, the same in each replicate."""
    return np.tile(np.arange(rows, dtype=np.int32), (replicates, 1))


def joined(name: str, first: PyTree, second: PyTree) -> PyTree:
    """Two parts of the data behind each other.

    Raises:
        ValueError: If they differ in tree, or in shape or dtype of a row.
    """
    trees: Any = jax.tree.structure(first), jax.tree.structure(second)
    forms = [
        [(np.shape(leaf)[1:], np.asarray(leaf).dtype) for leaf in jax.tree.leaves(part)]
        for part in (first, second)
    ]
    if trees[0] != trees[1] or forms[0] != forms[1]:
        raise ValueError(
            f"{name}: expected parts of the data with rows of one form, got "
            f"{trees[0]} with {forms[0]} and {trees[1]} with {forms[1]}"
        )
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), first, second)
