"""Whether predicted probabilities are those that come true."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramjax._checks import check_count
from paramjax._types import Array
from paramjax.metrics._classes import Rows, rows_of
from paramjax.metrics._sums import Finish, Sums, summed, widened


class CalibrationCurve(NamedTuple):
    """The reliability diagram: confidence and accuracy, bin by bin.

    Attributes:
        confidence: Mean probability of the predicted class, [bins]; NaN in an empty bin.
        accuracy: The share of rows predicted right, [bins]; NaN in an empty bin.
        weight: Rows in the bin, or their weight, [bins].
    """

    confidence: Array
    accuracy: Array
    weight: Array


def calibration_curve(
    outputs: Array, labels: Array, *, bins: int = 15, weight: Array | None = None
) -> CalibrationCurve:
    """The reliability diagram of Guo et al. (2017, On calibration of modern neural networks).

    Args:
        outputs: Logits [batch, classes], or one logit for two classes, [batch] or [batch, 1].
        labels: Whole numbers [batch, ...] from 0 to classes - 1.
        bins: Bins of equal width, ((m - 1) / bins, m / bins], of the confidence, which is the
            probability of the predicted class.
        weight: [batch], from 0; None counts each row once.

    Returns:
        Confidence and accuracy of each bin; NaN throughout if a row that counts has a logit
        that is not finite or a label that is none of the classes.

    Raises:
        TypeError: If `bins` is not a whole number.
        ValueError: If `bins` is less than 1, or the shapes do not match.

    Example:
        >>> curve = calibration_curve(jnp.array([0.0, 3.0, 3.0]), jnp.array([1, 1, 0]), bins=2)
        >>> curve.weight.tolist(), curve.accuracy.tolist()
        ([1.0, 2.0], [0.0, 0.5])
    """
    return _curve(_binned("calibration_curve", outputs, labels, bins, weight))


@summed
def calibration_error(
    outputs: Array, labels: Array, *, bins: int = 15, weight: Array | None = None
) -> Sums:
    r"""Expected calibration error: how far confidence is from accuracy.

    $$\sum_{m=1}^M \frac{|B_m|}{n}\,\bigl|\mathrm{acc}(B_m) - \mathrm{conf}(B_m)\bigr|$$
    with $B_m$ the rows whose confidence, the probability of the predicted class, is in
    $((m-1)/M, m/M]$ (Guo et al., 2017, On calibration of modern neural networks, equation 3).

    Args:
        outputs: Logits [batch, classes], or one logit for two classes, [batch] or [batch, 1],
            whose confidence is $\max(p, 1 - p)$.
        labels: Whole numbers [batch, ...] from 0 to classes - 1.
        bins: M.
        weight: [batch], from 0; None counts each row once.

    Returns:
        A scalar from 0 to 1; NaN without rows, or if a row that counts has a logit that is not
        finite or a label that is none of the classes. `calibration_error.sums` returns `Sums`.

    Raises:
        TypeError: If `bins` is not a whole number.
        ValueError: If `bins` is less than 1, or the shapes do not match.

    Example:
        >>> float(calibration_error(jnp.array([0.0, 0.0]), jnp.array([0, 1])))
        0.0
    """
    sums = _binned("calibration_error", outputs, labels, bins, weight)
    return Sums(sums, Finish(_expected_error))


def brier_score(outputs: Array, labels: Array) -> Array:
    r"""Squared distance of the probabilities from what came true (Brier, 1950).

    $$\sum_k (p_{ik} - [y_i = k])^2$$
    of two classes or more, and $(p_i - y_i)^2$ of one logit: half of it, as in scikit-learn's
    `brier_score_loss`.

    Args:
        outputs: Logits [batch, classes] or [batch, ..., classes]; or one logit for two classes,
            [batch] or [batch, 1].
        labels: Whole numbers [batch, ...] from 0 to classes - 1.

    Returns:
        [batch, ...] from 0 to 2, or from 0 to 1 of one logit; NaN where a logit is not finite or
        the label is none of the classes. Its mean over the rows is the score.

    Raises:
        ValueError: If the shapes do not match.

    Example:
        >>> brier_score(jnp.array([0.0, 0.0]), jnp.array([0, 1])).tolist()
        [0.25, 0.25]
        >>> brier_score(jnp.zeros((1, 2)), jnp.array([1])).tolist()
        [0.5]
    """
    rows = rows_of("brier_score", outputs, labels, None)
    if rows.logits.ndim == 1:
        score = jnp.square(jax.nn.sigmoid(rows.logits) - rows.labels)
    else:
        true = jax.nn.one_hot(rows.labels, rows.classes, dtype=rows.logits.dtype)
        score = jnp.square(jax.nn.softmax(rows.logits) - true).sum(axis=-1)
    score = jnp.where(rows.invalid, jnp.nan, score)
    return score if rows.logits.ndim == 1 else score.reshape(jnp.shape(labels))


def _binned(
    who: str, outputs: Array, labels: Array, bins: int, weight: Array | None
) -> dict[str, Array]:
    """Weight, confidence and right predictions, summed in each bin."""
    check_count(f"{who}: bins", bins)
    rows = rows_of(who, outputs, labels, weight)
    confidence, right = _confidence(rows)
    index = jnp.clip(jnp.ceil(confidence * bins).astype(jnp.int32) - 1, 0, bins - 1)
    each = jnp.ones_like(confidence) if rows.weight is None else rows.weight
    members = jax.nn.one_hot(index, bins, dtype=each.dtype) * each[:, None]
    return {
        "confidence": (members * confidence[:, None]).sum(axis=0),
        "invalid": rows.any_invalid(),
        "right": (members * right[:, None]).sum(axis=0),
        "weight": members.sum(axis=0),
    }


def _confidence(rows: Rows) -> tuple[Array, Array]:
    """The probability of the predicted class, at least float32, and whether it is right."""
    logits = widened(rows.logits)
    logits = jnp.where(jnp.isfinite(logits), logits, 0.0)  # whose rows count as invalid
    if logits.ndim == 1:
        chance = jax.nn.sigmoid(jnp.abs(logits))
    else:
        chance = jax.nn.softmax(logits).max(axis=-1)
    return chance, rows.predicted(0.0) == rows.labels


def _curve(sums: dict[str, Array]) -> CalibrationCurve:
    weight = jnp.where(sums["invalid"] > 0, jnp.nan, sums["weight"])
    full = jnp.where(weight == 0, jnp.nan, weight)
    return CalibrationCurve(sums["confidence"] / full, sums["right"] / full, weight)


def _expected_error(sums: dict[str, Array]) -> Array:
    gaps = jnp.abs(sums["right"] - sums["confidence"])
    return jnp.where(sums["invalid"] > 0, jnp.nan, gaps.sum() / sums["weight"].sum())
