"""Metrics of a ranking: the area under the ROC curve and the average precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._types import Array
from paramjax.metrics._classes import rows_of
from paramjax.metrics._sums import widened

Average = Literal["macro", "weighted"] | None


class RankingCurve(NamedTuple):
    """The rates at each threshold, from the highest on.

    Attributes:
        threshold: The scores in falling order, [rows].
        false_positive_rate: Share of class 0 at or above the threshold, [rows].
        recall: Share of class 1 at or above it, the true positive rate, [rows].
        precision: Share of class 1 among the rows at or above it, [rows].
    """

    threshold: Array
    false_positive_rate: Array
    recall: Array
    precision: Array


def roc_auc(
    outputs: Array, labels: Array, *, average: Average = "macro", weight: Array | None = None
) -> Array:
    r"""The area under the ROC curve: the chance that a row of the class ranks above another row.

    $$\frac{1}{n_1 n_0}\sum_{i: y_i = 1}\sum_{j: y_j = 0} [s_i > s_j] + \tfrac12 [s_i = s_j]$$
    (Hanley and McNeil, 1982). More than one logit are compared class by class, each against the
    rest, by the softmax probability of the class. It needs the whole set at once: see
    `in_batches`.

    Args:
        outputs: One logit, or any score, for two classes, [batch] or [batch, 1]; or logits
            [batch, classes].
        labels: Whole numbers [batch, ...] from 0 to classes - 1.
        average: Over classes, where there is a logit for each: "macro", "weighted" by their
            rows, or None, which returns each class's own.
        weight: [batch], from 0; None counts each row once.

    Returns:
        A scalar, or [classes] without an average, as scikit-learn's `roc_auc_score` with
        `multi_class="ovr"`. NaN where a class has no rows or all of them, a logit is not finite,
        or a label is none of the classes.

    Raises:
        ValueError: If the shapes do not match or the average is unknown.

    Example:
        >>> float(jax.jit(roc_auc)(jnp.array([0.1, 0.4, 0.4, 0.8]), jnp.array([0, 0, 1, 1])))
        0.875
    """
    return _by_class("roc_auc", _area, outputs, labels, average, weight)


def average_precision(
    outputs: Array, labels: Array, *, average: Average = "macro", weight: Array | None = None
) -> Array:
    r"""Precision, averaged over the rows of the class.

    $$\sum_n (R_n - R_{n-1}) P_n$$
    with $P_n$ and $R_n$ precision and recall at the n-th highest distinct score, not
    interpolated. It is what to look at where the class is rare. It needs the whole set at once:
    see `in_batches`.

    Args:
        outputs: One logit, or any score, for two classes, [batch] or [batch, 1]; or logits
            [batch, classes], of which softmax probabilities are ranked.
        labels: Whole numbers [batch, ...] from 0 to classes - 1.
        average: As for `roc_auc`.
        weight: [batch], from 0; None counts each row once.

    Returns:
        A scalar, or [classes] without an average, as scikit-learn's `average_precision_score`;
        NaN where a class has no rows, a logit is not finite, or a label is none of the classes.

    Raises:
        ValueError: If the shapes do not match or the average is unknown.

    Example:
        >>> scores, labels = jnp.array([0.1, 0.4, 0.35, 0.8]), jnp.array([0, 0, 1, 1])
        >>> round(float(jax.jit(average_precision)(scores, labels)), 4)
        0.8333
    """
    return _by_class("average_precision", _mean_precision, outputs, labels, average, weight)


def ranking_curve(outputs: Array, labels: Array, weight: Array | None = None) -> RankingCurve:
    """The points of the ROC curve and of the precision-recall curve of two classes.

    Args:
        outputs: One logit, or any score, for each row, [batch] or [batch, 1].
        labels: 0 or 1, [batch] or [batch, 1].
        weight: [batch], from 0; None counts each row once.

    Returns:
        Rates [batch] at each score; rows of equal scores repeat one point. NaN where
        `roc_auc` is.

    Raises:
        ValueError: If there is not one score and one label for each row.

    Example:
        >>> curve = ranking_curve(jnp.array([0.1, 0.4, 0.8]), jnp.array([0, 1, 1]))
        >>> curve.recall.tolist(), curve.false_positive_rate.tolist()
        ([0.5, 1.0, 1.0], [0.0, 0.0, 1.0])
    """
    rows = rows_of("ranking_curve", outputs, labels, weight)
    if rows.logits.ndim != 1:
        raise ValueError(
            f"ranking_curve: expected one score per row, got {jnp.shape(outputs)}; of more than "
            "two classes pass outputs[:, k] and labels == k"
        )
    ranked = _ranked(rows.logits, rows.labels == 1, rows.weight)
    positive, negative = ranked.positive, ranked.negative
    rates = (
        negative / negative[-1:],
        positive / positive[-1:],
        positive / (positive + negative),
    )
    finite = jnp.where(rows.any_invalid() > 0, jnp.nan, 1.0)
    return RankingCurve(ranked.score, *(rate * finite for rate in rates))


class _Ranked(NamedTuple):
    """Rows by falling score.

    Attributes:
        score: [rows].
        own: The weight of a row of the class, 0 of another, [rows].
        positive: Weight of the class at or above the score, [rows].
        negative: Weight of the rest at or above the score, [rows].
        above: Weight of the rest above the score, [rows].
    """

    score: Array
    own: Array
    positive: Array
    negative: Array
    above: Array


def _ranked(scores: Array, of_class: Array, weight: Array | None) -> _Ranked:
    # counts are whole numbers, which add up exactly
    each = jnp.ones(scores.shape, jnp.int32) if weight is None else weight
    order = jnp.argsort(scores, descending=True)
    score, own, rest = scores[order], (each * of_class)[order], (each * ~of_class)[order]
    differs = score[1:] != score[:-1]
    end = jnp.zeros(1, bool)
    first, last = (jnp.concatenate(pair) for pair in ((~end, differs), (differs, ~end)))
    first, last = first[: len(score)], last[: len(score)]
    positive, negative = jnp.cumsum(own), jnp.cumsum(rest)
    before = jnp.concatenate([jnp.zeros(1, negative.dtype), negative])[: len(score)]
    sums = (
        own,
        _of_tie_end(positive, last),
        _of_tie_end(negative, last),
        jax.lax.cummax(jnp.where(first, before, 0)),
    )
    # quotients of int32 would be float32 under x64, too
    return _Ranked(score, *(x.astype(float) if weight is None else x for x in sums))


def _of_tie_end(cumulated: Array, last: Array) -> Array:
    """For each row the value at the last row of the same score; values never fall."""
    if not cumulated.size:
        return cumulated
    return jax.lax.cummin(jnp.where(last, cumulated, cumulated[-1]), reverse=True)


def _area(scores: Array, of_class: Array, weight: Array | None) -> Array:
    """The area under the ROC curve: for each row of the class, the share of the rest below it."""
    ranked = _ranked(scores, of_class, weight)
    total, rest = ranked.own.sum(), ranked.negative.max(initial=0)
    below = 1 - (ranked.above + ranked.negative) / (2 * rest)
    return (ranked.own * below).sum() / total


def _mean_precision(scores: Array, of_class: Array, weight: Array | None) -> Array:
    ranked = _ranked(scores, of_class, weight)
    seen = ranked.positive + ranked.negative
    precision = ranked.positive / jnp.where(seen > 0, seen, 1)
    return (ranked.own * precision).sum() / ranked.own.sum()


def _by_class(
    who: str,
    metric: Callable[[Array, Array, Array | None], Array],
    outputs: Array,
    labels: Array,
    average: Average,
    weight: Array | None,
) -> Array:
    """A metric of one class against the rest, averaged over classes where there are more."""
    if average not in ("macro", "weighted", None):
        raise ValueError(f"{who}: average: expected 'macro', 'weighted' or None, got {average!r}")
    rows = rows_of(who, outputs, labels, weight)
    if rows.logits.ndim == 1:
        values = metric(rows.logits, rows.labels == 1, rows.weight)
    else:
        classes = jnp.arange(rows.classes)
        scores = _log_odds(rows.logits)
        against_rest: Any = jax.vmap(
            lambda k, column: metric(column, rows.labels == k, rows.weight), (0, 1)
        )
        values = against_rest(classes, scores)
        each = jnp.float32(1) if rows.weight is None else rows.weight
        counts = jnp.zeros(rows.classes, each.dtype).at[rows.labels].add(each)
        if average == "macro":
            values = values.mean()
        elif average == "weighted":
            values = (values * counts).sum() / counts.sum()
    return jnp.where(rows.any_invalid() > 0, jnp.nan, values)


def _log_odds(logits: Array) -> Array:
    """The log-odds of each class, whose order is that of its softmax probability.

    Probabilities near 1 are equal when rounded, log-odds are not.
    """
    logits = widened(logits)
    none = jnp.full((len(logits), 1), -jnp.inf, logits.dtype)
    before = jax.lax.cumlogsumexp(logits, axis=1)[:, :-1]
    after = jax.lax.cumlogsumexp(logits, axis=1, reverse=True)[:, 1:]
    rest = jnp.logaddexp(
        jnp.concatenate([none, before], axis=1), jnp.concatenate([after, none], axis=1)
    )
    return logits - rest
