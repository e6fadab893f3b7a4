"""Predicted and true classes of rows, from logits of two classes or more."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from paramjax._types import Array
from paramjax.metrics._accuracy import check_class_shapes
from paramjax.metrics._sums import weight_of_rows


class Rows(NamedTuple):
    """Logits and labels, one after another.

    Attributes:
        logits: [rows], or [rows, classes].
        labels: int32[rows], 0 where the label is none of the classes.
        weight: [rows], or None.
        invalid: Whether a logit is not finite or the label none of the classes, bool[rows].
        classes: How many there are.
    """

    logits: Array
    labels: Array
    weight: Array | None
    invalid: Array
    classes: int

    def predicted(self, threshold: float | Array) -> Array:
        """The class of the largest logit, or whether the one logit is above the threshold."""
        if self.logits.ndim == 1:
            return (self.logits > threshold).astype(jnp.int32)
        return self.logits.argmax(axis=-1).astype(jnp.int32)

    def any_invalid(self) -> Array:
        """How many rows that count are invalid, int32[]."""
        counts = self.invalid if self.weight is None else self.invalid & (self.weight != 0)
        return counts.sum(dtype=jnp.int32)


def is_one_logit(outputs: Array) -> bool:
    """Whether two classes are told apart by one logit, [batch] or [batch, 1]."""
    return outputs.ndim < 2 or (outputs.ndim == 2 and outputs.shape[1] == 1)


def check_logits(who: str, outputs: Array, labels: Array) -> None:
    """Raise unless logits are [batch], [batch, 1] or [batch, ..., classes], and labels match."""
    if not is_one_logit(outputs):
        check_class_shapes(who, outputs, labels, instead=f"{who} of [batch] or [batch, 1]")
    elif outputs.ndim == 0 or labels.shape not in (outputs.shape[:1], (*outputs.shape[:1], 1)):
        raise ValueError(
            f"{who}: expected a label for each row of logits [batch], [batch, 1] or "
            f"[batch, classes], got {outputs.shape} and {labels.shape}"
        )


def rows_of(who: str, outputs: Array, labels: Array, weight: Array | None) -> Rows:
    """Logits and labels by row; raises unless their shapes match."""
    outputs, labels = jnp.asarray(outputs), jnp.asarray(labels)
    check_logits(who, outputs, labels)
    one = is_one_logit(outputs)
    each = weight_of_rows(who, weight, labels.shape[:1] if one else labels.shape)
    logits = outputs.reshape(-1) if one else outputs.reshape(labels.size, outputs.shape[-1])
    labels, classes = labels.reshape(-1), 2 if one else outputs.shape[-1]
    whole = labels.astype(jnp.int32)
    inside = (whole == labels) & (whole >= 0) & (whole < classes)
    finite = jnp.isfinite(logits) if one else jnp.isfinite(logits).all(axis=1)
    return Rows(
        logits,
        jnp.where(inside, whole, 0),
        None if each is None else each.reshape(-1),
        ~(inside & finite),
        classes,
    )
