"""Validation of a run: what is measured on held-out data, how often, and what follows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paramjax._checks import check_count, check_rate, describe, nearest
from paramjax._display import as_html, configuration
from paramjax._types import PyTree
from paramjax.data._validation import check_data


@dataclass(frozen=True)
class EarlyStopping:
    """End a run when validation no longer gets better, and go back to its best parameters.

    Prechelt (1998), "Early stopping - but when?", criterion UP, counted in validations.

    Attributes:
        patience: Validations without improvement after which the run ends, positive.
        min_delta: How much better a score must be to count as an improvement, at least 0, in
            the metric's own unit.
        restore_best: Whether `fit.params` are those of the best validation, or the last.

    Raises:
        TypeError: If `patience` is not a whole number.
        ValueError: If a number is out of its range.

    Example:
        >>> EarlyStopping(patience=3).restore_best
        True
    """

    patience: int = 10
    min_delta: float = 0.0
    restore_best: bool = True

    def __post_init__(self) -> None:
        check_count("patience", self.patience)
        check_rate("min_delta", self.min_delta)


@dataclass(frozen=True, eq=False)
class Validation:
    """What `fit` measures on held-out data between its chunks.

    The metrics are those of the parameters to evaluate (averages, schedule-free) and of the model
    state that belongs to them, weighted by row: a last incomplete batch counts as much as it has
    rows. What is no mean over rows, such as F1, is exact over batches as `pj.metrics.Sums`:
    `{"f1": pj.metrics.f1.sums(logits, labels)}`. Where 64-bit numbers are enabled, metrics are
    computed and compared in float64.

    Attributes:
        evaluate: `(params, batch) -> metrics`, by name scalars, means over the rows of the batch,
            or `pj.metrics.Sums`; a loss function's pair `(loss, metrics)` is accepted, too. For a
            stateful trainer it is `(params, model_state, batch) -> metrics`.
        data: Held-out data, leaves [rows, ...].
        every: Steps from one validation to the next, positive; there is always one after the
            last step.
        batch_size: Rows evaluated at once, positive; None takes all.
        stateful: Whether `evaluate` is given the model state; None asks the trainer, and `fit`
            refuses what contradicts it. Only for a hand-made trainer that does not say is it
            needed.
        metric: The metric that decides about stopping, best checkpoints and plateaus.
        maximise: Whether a larger one is better.
        early_stopping: When to end the run for it; None never does.

    Raises:
        TypeError: If `evaluate` is not a function, `early_stopping` not an `EarlyStopping`, or
            the data is not numeric.
        ValueError: For counts out of range, or data that is empty, NaN or of uneven length.

    Example:
        >>> import numpy as np
        >>> held_out = {"x": np.ones((5, 2)), "y": np.zeros(5)}
        >>> Validation(lambda params, batch: {"loss": 0.0}, held_out, every=100).metric
        'loss'
    """

    evaluate: Callable[..., Any]
    data: PyTree
    every: int
    batch_size: int | None = None
    stateful: bool | None = None
    metric: str = "loss"
    maximise: bool = False
    early_stopping: EarlyStopping | None = None

    def __repr__(self) -> str:
        """The choices, and the shapes of the data."""
        return configuration("Validation", vars(self), ("data",))

    def _repr_html_(self) -> str:
        """The same lines in a notebook."""
        return as_html(repr(self))

    def __post_init__(self) -> None:
        if not callable(self.evaluate):
            raise TypeError(
                f"validation: evaluate: expected a function, got {describe(self.evaluate)}"
            )
        if not isinstance(self.early_stopping, EarlyStopping | None):
            raise TypeError(
                "validation: early_stopping: expected a pj.EarlyStopping or None, got "
                f"{describe(self.early_stopping)}"
            )
        check_data(self.data, "validation: data")
        check_count("validation: every", self.every)
        if self.batch_size is not None:
            check_count("validation: batch_size", self.batch_size)

    def score(self, metrics: dict[str, float]) -> float:
        """The metric as a score to be made small, infinite unless it is finite.

        Args:
            metrics: Name -> value, of one validation.

        Returns:
            The metric, or minus the metric where it is maximised.

        Raises:
            ValueError: If its metric is not among them.
        """
        if self.metric not in metrics:
            raise ValueError(f"validation: {nearest(self.metric, metrics, what='metric')}")
        value = metrics[self.metric]
        if not math.isfinite(value):
            return math.inf
        return -value if self.maximise else value
