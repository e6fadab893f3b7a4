"""Training, validation and test parts, and scaling that is learned on the training part."""

from __future__ import annotations

import itertools
import warnings
from typing import Any, NamedTuple

import jax
import numpy as np

from paramjax._checks import describe, nearest
from paramjax._types import Batch, PyTree
from paramjax.data._leaves import as_array
from paramjax.data._validation import check_table


class Splits(NamedTuple):
    """Three parts of one data set that share no row."""

    train: Batch
    validation: Batch
    test: Batch


def split(
    data: PyTree,
    *,
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    seed: int = 0,
    stratify: Any = None,
) -> Splits:
    """Split data into three parts at random, stratified by `y` if it holds integers or booleans.

    Args:
        data: A pytree of arrays [rows, ...]; each part has every class of such labels
            under `"y"` in the same proportion, up to a row, so that a class of few rows may be
            missing in a part, and of a single class there is nothing to keep.
        fractions: Shares of training, validation and test rows, which sum to 1.
        seed: The same seed gives the same rows.
        stratify: Class labels [rows], integers or booleans, to go by instead; these must have two
            classes, and a class that a part lacks is warned of.

    Returns:
        The parts, rows in random order.

    Raises:
        TypeError: If a leaf is not an array of numbers, or `stratify` does not hold integers.
        ValueError: If the shares do not sum to 1, a part would be empty, `stratify` has one class
            or another length, or the data has faults that `check_data` refuses; casts, which may
            lose digits, come later.

    Warns:
        UserWarning: If a part has no row of a class of `stratify`.

    Example:
        >>> parts = split({"x": np.zeros((10, 2)), "y": np.zeros(10, np.int32)})
        >>> [len(part["y"]) for part in parts]
        [6, 2, 2]
    """
    rows = check_table(data)
    _check_shares(fractions)
    labels = _own_labels(data) if stratify is None else check_classes(stratify, rows)
    order = _stratified_order(labels, rows, np.random.default_rng(seed))
    validation, test = (round(share * rows) for share in fractions[1:])
    if min(rows - validation - test, validation, test) < 1:
        raise ValueError(f"split: {rows} rows leave a part empty at shares {fractions}")
    ends = np.cumsum((0, rows - validation - test, validation, test))
    rng = np.random.default_rng(seed + 1)
    parts = [rng.permutation(order[a:b]) for a, b in itertools.pairwise(ends)]
    if stratify is not None and labels is not None:
        _warn_of_missing(labels, parts)
    return Splits(*(jax.tree.map(lambda leaf, i=i: np.asarray(leaf)[i], data) for i in parts))


def standardise(splits: Splits, name: str = "x") -> Splits:
    """Shift and scale one leaf so that its training part has mean 0 and standard deviation 1.

    Args:
        splits: The parts; nothing is learned from validation and test.
        name: The leaf, [rows, features]; a constant feature becomes 0.

    Returns:
        The parts with that leaf scaled, float32. It is scaled in float64, so that seconds since
        1970 keep their digits if they come as float64.

    Raises:
        TypeError: If the leaf does not hold real numbers.
        ValueError: If there is no such leaf.

    Example:
        >>> x = np.arange(20.0, dtype=np.float32)[:, None]
        >>> scaled = standardise(split({"x": x})).train["x"]
        >>> bool(abs(scaled.mean()) < 1e-6)
        True
    """
    if not isinstance(splits.train, dict) or name not in splits.train:
        known = splits.train if isinstance(splits.train, dict) else ()
        raise ValueError(f"standardise: {nearest(name, known, what='leaf')}")
    if np.iscomplexobj(splits.train[name]):
        raise TypeError(f"standardise: leaf {name}: expected real numbers, got complex ones")
    train = np.asarray(splits.train[name], np.float64)
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    # a constant column varies by the rounding of its mean
    rounding = len(train) * np.finfo(np.float64).eps * np.abs(mean)
    scale = np.where(deviation > rounding, deviation, np.inf)

    def scaled(part: Batch) -> Batch:
        values = np.asarray(part[name], np.float64)
        return {**part, name: ((values - mean) / scale).astype(np.float32)}

    return Splits(*map(scaled, splits))


def _check_shares(fractions: Any) -> None:
    """Raise unless there are three positive numbers that sum to 1."""
    try:
        shares = np.asarray(fractions, np.float64)
    except (TypeError, ValueError):
        shares = np.zeros(0)
    if shares.shape != (3,) or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-9:
        raise ValueError(
            f"split: expected three positive shares that sum to 1, got {fractions!r}; of two "
            "parts, take folds(rows, k, key)"
        )


def check_classes(stratify: Any, rows: int) -> np.ndarray:
    """Labels [rows] of two classes or more, by which rows can be stratified.

    Raises:
        TypeError: If they are not integers or booleans.
        ValueError: If there is not one for each row, or only one class.
    """
    labels = as_array("stratify:", stratify)
    if labels.dtype != np.bool_ and not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(
            f"stratify: expected class labels, integers [rows], got {describe(stratify)}"
        )
    if labels.shape != (rows,):
        raise ValueError(
            f"stratify: expected a label for each of the {rows} rows, got {describe(labels)}"
        )
    if (labels == labels[0]).all():
        raise ValueError(
            f"stratify: expected two classes or more, got only {labels[0]}; check the labels, or "
            "leave stratify out"
        )
    return labels


def _own_labels(data: PyTree) -> np.ndarray | None:
    """The class labels of data, if it has some under `y`."""
    labels = data.get("y") if isinstance(data, dict) else None
    if labels is None or np.asarray(labels).dtype.kind not in "biu":
        return None
    return np.asarray(labels).reshape(len(labels), -1)[:, 0]


def _warn_of_missing(labels: np.ndarray, parts: list[np.ndarray]) -> None:
    """Warn if a part has no row of a class."""
    for name, part in zip(Splits._fields, parts, strict=True):
        missing = np.setdiff1d(labels, labels[part])
        if missing.size:
            members = int((labels == missing[0]).sum())
            warnings.warn(
                f"split: the {name} part has no row of class {missing[0]}, which has {members} "
                "rows; take larger shares, or join small classes",
                UserWarning,
                stacklevel=3,
            )


def _stratified_order(labels: np.ndarray | None, rows: int, rng: np.random.Generator) -> np.ndarray:
    """A random order of the rows with every class spread evenly over it."""
    order = rng.permutation(rows)
    if labels is None:
        return order
    rank = np.empty(rows)
    shuffled = labels[order]
    for label in np.unique(shuffled):
        members = order[shuffled == label]
        rank[members] = (np.arange(members.size) + rng.uniform()) / members.size
    return np.argsort(rank, kind="stable")
