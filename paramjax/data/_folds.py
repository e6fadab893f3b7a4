"""Folds for cross-validation: balanced, stratified, a pure function of a key."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import numpy as np

from paramjax._checks import check_count, check_key, describe
from paramjax._types import Key


def folds(rows: int, k: int, key: Key, *, stratify: Any = None) -> np.ndarray:
    """Deal rows into folds at random, each held out once in k-fold cross-validation.

    Stone (1974), "Cross-validatory choice and assessment of statistical predictions". The
    sizes of the folds differ by at most one row and, with labels, so do the members of each
    class in them (Kohavi, 1995, section 2.2).

    Args:
        rows: Rows of the data.
        k: Number of folds, from 2 to `rows`.
        key: Names the folds; a key gives the same ones on every platform.
        stratify: Class labels [rows], integers or booleans; None deals without regard to them.

    Returns:
        The fold of each row, from 0 to k - 1, int32[rows].

    Raises:
        TypeError: If a count is not whole, labels are no integers, or for a legacy key.
        ValueError: For fewer than 2 folds or more than rows, labels of another shape, or more
            folds than any class has members.

    Warns:
        UserWarning: If a class has fewer members than there are folds, so that some hold none.

    Example:
        >>> fold = folds(5, 2, jax.random.key(0), stratify=np.array([0, 0, 1, 1, 1]))
        >>> np.bincount(fold[:2]).tolist(), sorted(np.bincount(fold[2:]).tolist())
        ([1, 1], [1, 2])
    """
    check_key(key)
    check_count("rows", rows)
    check_count("folds", k, least=2)
    if k > rows:
        raise ValueError(f"folds: expected at most one for each of the {rows} rows, got {k}")
    labels = np.zeros(rows, np.int32) if stratify is None else _checked(stratify, rows, k)
    # bits, because they are the same on every platform and in every version
    row_key, fold_key = jax.random.split(key)
    tie = np.asarray(jax.random.bits(row_key, (rows,)))
    names = np.argsort(np.asarray(jax.random.bits(fold_key, (k,))), kind="stable")
    # class after class like cards: every k in a row go to k folds
    order = np.lexsort((tie, labels))
    fold = np.empty(rows, np.int32)
    fold[order] = names[np.arange(rows) % k]
    return fold


def _checked(stratify: Any, rows: int, k: int) -> np.ndarray:
    """Labels that can be spread over the folds."""
    labels = np.asarray(stratify)
    if labels.dtype != np.bool_ and not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(
            f"stratify: expected class labels, integers [rows], got {describe(stratify)}"
        )
    if labels.shape != (rows,):
        raise ValueError(
            f"stratify: expected a label for each of the {rows} rows, got {describe(labels)}"
        )
    classes, members = np.unique(labels, return_counts=True)
    if members.max() < k:
        raise ValueError(
            f"folds: expected at most as many as the largest class has members, "
            f"{members.max()}, got {k}; take fewer, or leave stratify out"
        )
    if members.min() < k:
        warnings.warn(
            f"folds: class {classes[members.argmin()]} has {members.min()} members, fewer than "
            f"the {k} folds, so some hold none of it; take fewer folds",
            UserWarning,
            stacklevel=3,
        )
    return labels
