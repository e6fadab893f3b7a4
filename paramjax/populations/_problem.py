"""What is learned, from what, and how it is judged: said once for sweep, search and folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paramjax._checks import check_count, describe
from paramjax._types import Hyperparameters, ModelState, Params, PyTree
from paramjax.data._validation import check_data

BatchSize = int | None | Callable[[Hyperparameters], int | None]
"""Rows a step, None for all of them; or `(structural hyperparameters) -> rows`."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """A training problem that stays fixed while trainers and hyperparameters change.

    `sweep`, `search` and `cross_validate` take it; what they judge by is said here alone.

    Attributes:
        init: `(key) -> params`, compiled by itself; or `(key, hyperparameters) -> params` where
            the parameters depend on structural hyperparameters.
        data: Training data, leaves [rows, ...].
        batch_size: Rows a step, drawn without replacement epoch by epoch, positive; None takes
            all rows at each step; or `(structural hyperparameters) -> rows`.
        evaluate: `(params, eval_data) -> metrics`, means over the rows, or a loss function's pair
            `(loss, metrics)`. With `stateful`, `(params, model_state, eval_data) -> metrics`. It
            may take the structural hyperparameters as one more argument. None leaves the metrics
            of the training steps, averaged over the last tenth of them.
        eval_data: What `evaluate` is given, leaves [rows, ...].
        model_state: What a stateful model starts with.
        stateful: Whether the loss and `evaluate` take the model state, see `train_step`.
        metric: The metric that decides: which trial is best, and which go on.
        maximise: Whether a larger one is better.

    Raises:
        TypeError: If `init` or `evaluate` is not a function, `metric` not a name, or `batch_size`
            neither a whole number nor a function.
        ValueError: If `batch_size` is not positive, or `stateful` and `model_state` contradict
            each other.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> problem = Problem(init=jax.random.normal, data=jnp.array([1.0, 3.0]), batch_size=1)
        >>> problem.metric, problem.maximise
        ('loss', False)
    """

    init: Callable[..., Params]
    data: PyTree
    batch_size: BatchSize = None
    evaluate: Callable[..., Any] | None = None
    eval_data: PyTree = None
    model_state: ModelState = ()
    stateful: bool = False
    metric: str = "loss"
    maximise: bool = False

    def __post_init__(self) -> None:
        if not callable(self.init):
            raise TypeError(
                f"problem: init: expected a function (key) -> params, got {describe(self.init)}"
            )
        if self.evaluate is not None and not callable(self.evaluate):
            raise TypeError(
                f"problem: evaluate: expected a function or None, got {describe(self.evaluate)}"
            )
        if not isinstance(self.metric, str):
            raise TypeError(f"problem: metric: expected a name, got {describe(self.metric)}")
        if self.batch_size is not None and not callable(self.batch_size):
            check_count("batch_size", self.batch_size)

    def check(self) -> int:
        """Raise unless the training data can be trained on; return its number of rows.

        Raises:
            TypeError: If the data is not numeric.
            ValueError: If it is empty, NaN or of uneven length.
        """
        return check_data(self.data)
