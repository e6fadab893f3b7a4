"""Imbalanced classes: weights of classes and rows, and an order that draws classes evenly."""

from __future__ import annotations

from typing import Any

import numpy as np

from paramjax import _threefry
from paramjax._checks import check_count, check_key, describe
from paramjax._threefry import Words, words
from paramjax._types import Key
from paramjax.data._leaves import as_array
from paramjax.data._validation import check_labels


def class_weights(labels: Any, num_classes: int) -> np.ndarray:
    r"""$$w_k = \frac{n}{K n_k}$$ for class $k$ with $n_k$ of the $n$ rows (King and Zeng, 2001).

    Every class then weighs the same in a sum over rows, and the mean weight of the rows is 1.
    The same as scikit-learn's `class_weight="balanced"`.

    Args:
        labels: Integers [rows] from 0 to `num_classes` - 1.
        num_classes: Number of classes, positive.

    Returns:
        float32[num_classes].

    Raises:
        TypeError: If labels are not integers.
        ValueError: If a label is out of range, or a class has no rows.

    Example:
        >>> class_weights(np.array([0, 0, 0, 1]), 2).tolist()
        [0.6667, 2.0]
    """
    labels = _labels(labels, num_classes)
    members = np.bincount(labels, minlength=num_classes)
    weights: np.ndarray = (len(labels) / (num_classes * members)).astype(np.float32)
    return weights


def sample_weights(labels: Any, num_classes: int) -> np.ndarray:
    """The weight of each row by its class, see `class_weights`.

    As the entry `weight` of the data they weigh the losses of `pj.losses.supervised`.

    Args:
        labels: Integers [rows] from 0 to `num_classes` - 1.
        num_classes: Number of classes, positive.

    Returns:
        float32[rows], of mean 1.

    Raises:
        TypeError: If labels are not integers.
        ValueError: If a label is out of range, or a class has no rows.

    Example:
        >>> sample_weights(np.array([0, 1, 0, 0]), 2).tolist()
        [0.6667, 2.0, 0.6667, 0.6667]
    """
    weights: np.ndarray = class_weights(labels, num_classes)[_labels(labels, num_classes)]
    return weights


def balanced_order(
    key: Key, labels: Any, num_classes: int, *, rows: int | None = None
) -> np.ndarray:
    """Rows in random order, with every class as often as the others, up to one.

    Each class is drawn without replacement until it is used up, and then from the start again, so
    rows of small classes repeat and, if fewer rows are drawn than there are, rows of large ones
    are left out. `jax.tree.map(lambda leaf: leaf[order], data)` is the balanced data.

    Args:
        key: The same key gives the same rows on every platform.
        labels: Integers [rows] from 0 to `num_classes` - 1.
        num_classes: Number of classes, positive.
        rows: How many to draw, positive; None takes as many as there are.

    Returns:
        int32[rows], indices into the labels.

    Raises:
        TypeError: If labels are not integers, or the key is a legacy one.
        ValueError: If a label is out of range, a class has no rows, or `rows` is less than 1.

    Example:
        >>> import jax
        >>> labels = np.array([0, 0, 0, 0, 0, 1])
        >>> order = balanced_order(jax.random.key(0), labels, 2)
        >>> sorted(labels[order].tolist())
        [0, 0, 0, 1, 1, 1]
    """
    check_key(key)
    labels = _labels(labels, num_classes)
    count = len(labels) if rows is None else check_count("rows", rows)
    first_key, order_key, *keys = _threefry.split(words(key), num_classes + 2)
    # which classes get the rows that are left over is drawn as well
    extra = _shuffled(first_key, np.arange(num_classes)) < count % num_classes
    chosen = [
        _repeated(keys[label], np.flatnonzero(labels == label), count // num_classes + extra[label])
        for label in range(num_classes)
    ]
    return _shuffled(order_key, np.concatenate(chosen)).astype(np.int32)


def _labels(labels: Any, num_classes: int) -> np.ndarray:
    """Labels [rows] of which every class has some."""
    check_labels(labels, num_classes)
    array = as_array("labels", labels)
    if array.ndim != 1:
        raise ValueError(f"labels: expected one for each row, [rows], got {describe(array)}")
    empty = np.setdiff1d(np.arange(num_classes), array)
    if empty.size:
        raise ValueError(
            f"labels: expected rows of each of the {num_classes} classes, got none of class "
            f"{int(empty[0])}; number the classes without a gap"
        )
    return array.astype(np.int64)


def _repeated(key: Words, members: np.ndarray, count: int) -> np.ndarray:
    """So many rows of a class: all in random order, then all in another one, and so on."""
    times = -(-count // len(members))
    tie = _threefry.bits(key, times * len(members)).reshape(times, len(members))
    return members[np.argsort(tie, axis=1, kind="stable")].reshape(-1)[:count]


def _shuffled(key: Words, values: np.ndarray) -> np.ndarray:
    # random bits are the same on every platform and in every version
    return values[np.argsort(_threefry.bits(key, len(values)), kind="stable")]
