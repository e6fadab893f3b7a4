"""A training problem: what is learned, from which data, and which metric decides."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paramjax._checks import check_count, describe
from paramjax._types import Hyperparameters, Metrics, ModelState, Params, PyTree
from paramjax.data._validation import check_data
from paramjax.runs._validator import as_metrics

BatchSize = int | None | Callable[[Hyperparameters], int | None]
"""Rows a step, None for all of them; or `(structural hyperparameters) -> rows`."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """What is learned, from which data, and which metric decides.

    A problem stays fixed while trainers and hyperparameters change; `sweep`, `search` and
    `cross_validate` take it.

    Attributes:
        init: `(key) -> params`, compiled as one program; or `(key, hyperparameters) -> params` if
            the parameters depend on structural hyperparameters.
        data: Training data, leaves [rows, ...].
        batch_size: Rows a step, positive, drawn without replacement epoch by epoch; None takes
            all rows at each step; or `(structural hyperparameters) -> rows`.
        evaluate: `(params, eval_data) -> metrics`, name -> mean over the rows; or a loss
            function's pair `(loss, metrics)`. With `stateful=True`
            `(params, model_state, eval_data) -> metrics`. The structural hyperparameters are
            passed as one more argument if it takes one. None reports the metrics of the training
            steps, averaged over the last tenth of them.
        eval_data: The last argument of `evaluate`, leaves [rows, ...].
        model_state: The initial state of a stateful model.
        stateful: Whether the loss and `evaluate` take the model state, see `train_step`.
        metric: Name of the metric that decides which trial is best and which trials go on.
        maximise: Whether a larger value of the metric is better.

    Raises:
        TypeError: If `init` or `evaluate` is not a function, `metric` is not a name, or
            `batch_size` is neither a whole number nor a function.
        ValueError: If `batch_size` is less than 1.

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


def rows_a_step(problem: Problem, fixed: Hyperparameters) -> int | None:
    """The batch size of a structure; None for all rows."""
    batch_size = problem.batch_size
    return batch_size(fixed) if callable(batch_size) else batch_size


def evaluation(problem: Problem, fixed: Hyperparameters) -> Callable[..., Metrics]:
    """`(params, model_state, data) -> metrics` of a structure."""
    evaluate, stateful = problem.evaluate, problem.stateful
    if evaluate is None:
        return lambda params, model_state, data: {}
    measure = with_structure(evaluate, fixed, 3 if stateful else 2)
    if stateful:
        return lambda params, model_state, data: as_metrics(measure(params, model_state, data))
    return lambda params, model_state, data: as_metrics(measure(params, data))


def with_structure(
    function: Callable[..., Any], fixed: Hyperparameters, inputs: int
) -> Callable[..., Any]:
    """The function; if it takes one more argument, with the structural hyperparameters as that."""
    if not needs_structure(function, inputs):
        return function
    return lambda *args: function(*args, fixed)


def needs_structure(function: Callable[..., Any], inputs: int) -> bool:
    """Whether a function needs one argument more than its usual inputs."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in parameters if p.kind in positional and p.default is p.empty]
    return len(needed) == inputs + 1
