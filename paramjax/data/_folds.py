"""Balanced and stratified folds for cross-validation, a pure function of a key."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from paramjax import _threefry
from paramjax._checks import check_count, check_key
from paramjax._threefry import words
from paramjax._types import Key
from paramjax.data._splits import check_classes


def folds(rows: int, k: int, key: Key, *, stratify: Any = None) -> np.ndarray:
    """Assign rows to the folds of k-fold cross-validation at random.

    Stone (1974), "Cross-validatory choice and assessment of statistical predictions". The
    sizes of the folds differ by at most one row and, with labels, so do the members of each
    class in them (Kohavi, 1995, section 2.2).

    Args:
        rows: Rows of the data.
        k: Number of folds, from 2 to `rows`.
        key: The same key gives the same folds on every platform.
        stratify: Class labels [rows], integers or booleans, to spread over the folds.

    Returns:
        The fold of each row, from 0 to k - 1, int32[rows].

    Raises:
        TypeError: If a count is not whole, labels are not integers, or the key is a legacy one.
        ValueError: If there are fewer than 2 folds, more than rows or more than any class has
            members, or labels have another shape or a single class.

    Warns:
        UserWarning: If a class has fewer members than there are folds.

    Example:
        >>> import jax
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
    # random bits are the same on every platform and in every version
    row_key, fold_key = _threefry.split(words(key))
    tie = _threefry.bits(row_key, rows)
    names = np.argsort(_threefry.bits(fold_key, k), kind="stable")
    # dealt like cards, class after class: every k consecutive rows go to k folds
    order = np.lexsort((tie, labels))
    fold = np.empty(rows, np.int32)
    fold[order] = names[np.arange(rows) % k]
    return fold


def _checked(stratify: Any, rows: int, k: int) -> np.ndarray:
    """Labels as an array, if they can be spread over the folds."""
    labels = check_classes(stratify, rows)
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
