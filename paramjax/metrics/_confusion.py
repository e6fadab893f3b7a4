"""How often each class is taken for each: the confusion matrix, and what is derived from it."""

from __future__ import annotations

import math
from typing import Literal

import jax
import jax.numpy as jnp

from paramjax._types import Array
from paramjax.metrics._classes import Rows, rows_of
from paramjax.metrics._sums import Finish, Sums, summed

Average = Literal["binary", "micro", "macro", "weighted"] | None


@summed
def confusion_matrix(
    outputs: Array, labels: Array, *, threshold: float | Array = 0.0, weight: Array | None = None
) -> Sums:
    """How many rows of each class are predicted as each class.

    Args:
        outputs: Logits [batch, classes] or [batch, ..., classes], of which the largest is
            predicted, the first of equals; or one logit for two classes, [batch] or [batch, 1].
        labels: Whole numbers [batch, ...] from 0 to classes - 1.
        threshold: The single logit above which class 1 is predicted.
        weight: [batch], from 0; None counts each row once.

    Returns:
        [classes, classes], the true class first, as scikit-learn's `confusion_matrix` with
        `labels=range(classes)`; NaN throughout if a row that counts has a logit that is not
        finite or a label that is none of the classes. `confusion_matrix.sums` returns `Sums`.

    Raises:
        ValueError: If the shapes do not match.

    Example:
        >>> logits = jnp.array([[2.0, 1.0], [0.0, 3.0], [0.0, 3.0]])
        >>> confusion_matrix(logits, jnp.array([0, 0, 1])).tolist()
        [[1.0, 1.0], [0.0, 1.0]]
    """
    rows = rows_of("confusion_matrix", outputs, labels, weight)
    predicted, shape = rows.predicted(threshold), (rows.classes, rows.classes)
    if rows.weight is None:  # whole numbers add up exactly, in any order
        matrix = jnp.zeros(shape, jnp.int32).at[rows.labels, predicted].add(1)
    else:
        true = jax.nn.one_hot(rows.labels, rows.classes, dtype=rows.weight.dtype)
        said = jax.nn.one_hot(predicted, rows.classes, dtype=rows.weight.dtype)
        matrix = jnp.matmul(true.T, said * rows.weight[:, None], precision="highest")
    return Sums({"invalid": rows.any_invalid(), "matrix": matrix}, Finish(_matrix))


@summed
def precision(
    outputs: Array, labels: Array, *, average: Average = "binary",
    threshold: float | Array = 0.0, weight: Array | None = None, zero_division: float = math.nan,
) -> Sums:  # fmt: skip
    r"""The share of the rows predicted as a class that are of it.

    $$P_k = \frac{TP_k}{TP_k + FP_k}$$

    Args:
        outputs: As for `confusion_matrix`.
        labels: Whole numbers [batch, ...] from 0 to classes - 1.
        average: "binary" takes class 1 of two; "micro" counts the rows of all classes together;
            "macro" averages over classes; "weighted" weights them by their rows; None returns
            each class's own.
        threshold: The single logit above which class 1 is predicted.
        weight: [batch], from 0; None counts each row once.
        zero_division: The value of a class that is never predicted; where it is NaN, averages
            are over the other classes.

    Returns:
        A scalar, or [classes] without an average, as scikit-learn's `precision_score` with
        `labels=range(classes)`, but NaN where scikit-learn warns; NaN, too, if a row that counts
        has a logit that is not finite or a label that is none of the classes. `precision.sums`
        returns `Sums`.

    Raises:
        ValueError: If the shapes do not match, the average is unknown, or "binary" of more than
            two classes.

    Example:
        >>> logits, labels = jnp.array([2.0, 1.0, -1.0]), jnp.array([1, 0, 1])
        >>> float(precision(logits, labels)), precision(logits, labels, average=None).tolist()
        (0.5, [0.0, 0.5])
    """
    rows = rows_of("precision", outputs, labels, weight)
    return _counts(
        rows, threshold, Finish(_precision, _options("precision", rows, average, zero_division))
    )


@summed
def recall(
    outputs: Array, labels: Array, *, average: Average = "binary",
    threshold: float | Array = 0.0, weight: Array | None = None, zero_division: float = math.nan,
) -> Sums:  # fmt: skip
    r"""The share of the rows of a class that are predicted as it.

    $$R_k = \frac{TP_k}{TP_k + FN_k}$$

    Args:
        outputs: As for `confusion_matrix`.
        labels: Whole numbers [batch, ...] from 0 to classes - 1.
        average: As for `precision`.
        threshold: The single logit above which class 1 is predicted.
        weight: [batch], from 0; None counts each row once.
        zero_division: The value of a class without rows; where it is NaN, averages are over the
            other classes.

    Returns:
        As of `precision`, equal to scikit-learn's `recall_score`. `recall.sums` returns `Sums`.

    Raises:
        ValueError: If the shapes do not match, the average is unknown, or "binary" of more than
            two classes.

    Example:
        >>> float(recall(jnp.array([2.0, 1.0, -1.0]), jnp.array([1, 0, 1])))
        0.5
    """
    rows = rows_of("recall", outputs, labels, weight)
    return _counts(
        rows, threshold, Finish(_recall, _options("recall", rows, average, zero_division))
    )


@summed
def f1(
    outputs: Array, labels: Array, *, average: Average = "binary",
    threshold: float | Array = 0.0, weight: Array | None = None, zero_division: float = math.nan,
) -> Sums:  # fmt: skip
    r"""The harmonic mean of precision and recall.

    $$F_k = \frac{2\,TP_k}{2\,TP_k + FP_k + FN_k}$$
    (van Rijsbergen, 1979, Information retrieval). The mean of the F1 of batches is not the F1
    of the whole: where rows arrive in batches, return `f1.sums(...)`.

    Args:
        outputs: As for `confusion_matrix`.
        labels: Whole numbers [batch, ...] from 0 to classes - 1.
        average: As for `precision`.
        threshold: The single logit above which class 1 is predicted.
        weight: [batch], from 0; None counts each row once.
        zero_division: The value of a class that has no rows and is never predicted; where it is
            NaN, averages are over the other classes.

    Returns:
        As of `precision`, equal to scikit-learn's `f1_score`. `f1.sums` returns `Sums`.

    Raises:
        ValueError: If the shapes do not match, the average is unknown, or "binary" of more than
            two classes.

    Example:
        >>> logits, labels = jnp.array([2.0, 1.0, -1.0, -2.0]), jnp.array([1, 0, 1, 1])
        >>> round(float(f1(logits, labels)), 4)
        0.4
        >>> whole = f1.sums(logits[:2], labels[:2]) + f1.sums(logits[2:], labels[2:])
        >>> round(float(whole.value()), 4)
        0.4
    """
    rows = rows_of("f1", outputs, labels, weight)
    options = _options("f1", rows, average, zero_division)
    return _counts(rows, threshold, Finish(_f1, options))


def _options(who: str, rows: Rows, average: Average, zero: float) -> tuple[Average, float]:
    """The average and the value of 0 / 0; raise for an average that there is not."""
    if average not in ("binary", "micro", "macro", "weighted", None):
        raise ValueError(
            f"{who}: average: expected 'binary', 'micro', 'macro', 'weighted' or None, got "
            f"{average!r}"
        )
    if average == "binary" and rows.classes != 2:
        raise ValueError(
            f"{who}: average: 'binary' is of two classes, got {rows.classes}; take 'micro', "
            "'macro', 'weighted' or None"
        )
    return average, zero


def _matrix(sums: dict[str, Array]) -> Array:
    return _unless_invalid(sums, sums["matrix"].astype(float))


def _unless_invalid(sums: dict[str, Array], values: Array) -> Array:
    return jnp.where(sums["invalid"] > 0, jnp.nan, values)


def _counts(rows: Rows, threshold: float | Array, finish: Finish) -> Sums:
    """Rows of each class, rows predicted as it, and those of both."""
    predicted = rows.predicted(threshold)
    right = predicted == rows.labels
    sums = {
        "invalid": rows.any_invalid(),
        "labelled": _histogram(rows, rows.labels),
        "predicted": _histogram(rows, predicted),
        "right": _histogram(rows, rows.labels, right),
    }
    return Sums(sums, finish)


def _histogram(rows: Rows, classes: Array, where: Array | None = None) -> Array:
    """The weight of the rows of each class, [classes]."""
    if rows.weight is None:  # whole numbers add up exactly, in any order
        ones = jnp.int32(1) if where is None else where.astype(jnp.int32)
        return jnp.zeros(rows.classes, jnp.int32).at[classes].add(ones)
    weight = rows.weight if where is None else rows.weight * where
    return (jax.nn.one_hot(classes, rows.classes, dtype=weight.dtype) * weight[:, None]).sum(0)


def _precision(sums: dict[str, Array], average: Average, zero: float) -> Array:
    return _averaged(sums, sums["right"], sums["predicted"], average, zero)


def _recall(sums: dict[str, Array], average: Average, zero: float) -> Array:
    return _averaged(sums, sums["right"], sums["labelled"], average, zero)


def _f1(sums: dict[str, Array], average: Average, zero: float) -> Array:
    both = sums["labelled"] + sums["predicted"]
    return _averaged(sums, 2 * sums["right"], both, average, zero)


def _averaged(
    sums: dict[str, Array], above: Array, below: Array, average: Average, zero: float
) -> Array:
    """Quotients by class, averaged over the classes that have one."""
    if average == "micro":
        above, below = above.sum(), below.sum()
    values = jnp.where(below > 0, above.astype(float) / jnp.where(below > 0, below, 1), zero)
    if average == "binary":
        values = values[1]
    if average in ("macro", "weighted"):
        defined = ~jnp.isnan(values)
        weight = defined * (sums["labelled"] if average == "weighted" else 1)
        weight = jnp.where(weight.sum() > 0, weight, defined)  # as scikit-learn: all alike
        values = jnp.where(defined, values, 0.0) * weight / weight.sum()
        values = values.sum()
    return _unless_invalid(sums, values)
