"""Validation of a run: what is measured on held-out data, how often, and what follows."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from paramjax._checks import check_count, check_rate, describe, nearest
from paramjax._types import PyTree
from paramjax.data._validation import check_data
from paramjax.runs._evaluate_in_batches import evaluate_in_batches
from paramjax.step._state import Trainer, TrainState


@dataclass(frozen=True)
class EarlyStopping:
    """End a run when validation no longer gets better, and go back to its best parameters.

    Prechelt (1998), "Early stopping - but when?", criterion UP, counted in validations.

    Attributes:
        patience: Validations without improvement after which the run ends, positive.
        min_delta: How much better a score must be to count as an improvement, at least 0, in
            the metric's own unit.
        restore_best: Whether `fit.params` are those of the best validation, or the last.
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

    The metrics are those of the parameters to evaluate (averages, schedule-free), weighted by
    row: a last incomplete batch counts as much as it has rows.

    Attributes:
        evaluate: `(params, batch) -> metrics`, means over the rows of the batch; a loss
            function's pair `(loss, metrics)` is taken, too. With `stateful`, it is
            `(params, model_state, batch) -> metrics`.
        data: Held-out data, leaves [rows, ...].
        every: Steps from one validation to the next, positive; there is always one after the
            last step.
        batch_size: Rows evaluated at once, positive; None takes all.
        stateful: Whether `evaluate` is given the model state.
        metric: The metric that decides about stopping, best checkpoints and plateaus.
        maximise: Whether a larger one is better.
        early_stopping: When to end the run for it; None never does.

    Raises:
        TypeError: If `evaluate` is no function, or the data is not numeric.
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
    stateful: bool = False
    metric: str = "loss"
    maximise: bool = False
    early_stopping: EarlyStopping | None = None

    def __post_init__(self) -> None:
        if not callable(self.evaluate):
            raise TypeError(
                f"validation: evaluate: expected a function, got {describe(self.evaluate)}"
            )
        check_data(self.data)
        check_count("validation: every", self.every)
        if self.batch_size is not None:
            check_count("validation: batch_size", self.batch_size)

    def score(self, metrics: dict[str, float]) -> float:
        """What is to be made small: infinite where the metric is not finite.

        Args:
            metrics: Name -> value, of one validation.

        Returns:
            The score.

        Raises:
            ValueError: If its metric is not among them.
        """
        if self.metric not in metrics:
            raise ValueError(f"validation: {nearest(self.metric, metrics, what='metric')}")
        value = metrics[self.metric]
        if not math.isfinite(value):
            return math.inf
        return -value if self.maximise else value


class Best(NamedTuple):
    """How the validations of a run went.

    Attributes:
        score: The lowest score so far, infinite before the first.
        step: Steps done when it was measured.
        waited: Validations since.
    """

    score: float = math.inf
    step: int = 0
    waited: int = 0

    def after(self, score: float, step: int, min_delta: float = 0.0) -> Best:
        """What another validation makes of it.

        Args:
            score: Its score, the lower the better.
            step: Steps done.
            min_delta: How much lower counts.

        Example:
            >>> Best().after(2.0, 10).after(3.0, 20)
            Best(score=2.0, step=10, waited=1)
        """
        if score < self.score - min_delta:
            return Best(score, step, 0)
        return self._replace(waited=self.waited + 1)

    def written(self) -> list[float | None]:
        """As numbers that JSON knows; an infinite score is none."""
        return [self.score if math.isfinite(self.score) else None, self.step, self.waited]

    @staticmethod
    def read(numbers: list[Any]) -> Best:
        """What `written` wrote."""
        score, step, waited = numbers
        return Best(math.inf if score is None else score, step, waited)


def evaluate(
    trainer: Trainer, validation: Validation, state: TrainState, data: PyTree
) -> dict[str, float]:
    """Measure a state on held-out data.

    Args:
        trainer: Says which parameters are to be evaluated.
        validation: What to measure.
        state: The state.
        data: The data of the validation, where it lies.

    Returns:
        Name -> mean over the rows.

    Raises:
        TypeError: If `evaluate` returns something other than metrics.
        ValueError: If a metric is no scalar.

    Example:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from paramjax import train_step
        >>> trainer = train_step(lambda p, batch, key: (p * batch.mean(), {}), optax.sgd(1.0))
        >>> state = trainer.init(jax.random.key(0), jnp.float32(2.0))
        >>> held_out = jnp.array([1.0, 2.0, 6.0])
        >>> validation = Validation(
        ...     lambda params, batch: {"mean": params * batch.mean()}, held_out, 10, batch_size=2)
        >>> evaluate(trainer, validation, state, held_out)
        {'mean': 6.0}
    """
    measured = evaluate_in_batches(*_static(trainer, validation), state, data)
    return {name: float(value) for name, value in jax.device_get(measured).items()}


def check_measures(
    trainer: Trainer, validation: Validation, state: TrainState, data: PyTree
) -> None:
    """Refuse a validation that does not measure what it goes by, before the run begins.

    Args:
        trainer: Says which parameters are to be evaluated.
        validation: What to measure.
        state: A state.
        data: The data of the validation.

    Raises:
        TypeError: If `evaluate` returns something other than metrics.
        ValueError: If a metric is no scalar, or its metric is missing.
    """
    names = jax.eval_shape(
        functools.partial(evaluate_in_batches, *_static(trainer, validation)), state, data
    )
    validation.score(dict.fromkeys(names, 0.0))


def _static(trainer: Trainer, validation: Validation) -> tuple[Any, ...]:
    return trainer, validation.evaluate, validation.batch_size, validation.stateful
