"""A training problem: what is learned, from which data, and which metric decides."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import check_count, describe, is_key, nearest
from paramjax._display import as_html, configuration
from paramjax._types import Hyperparameters, Metrics, ModelState, Params, PyTree
from paramjax.data._validation import check_data
from paramjax.populations._traced_trainer import Task
from paramjax.runs._evaluate import as_metrics, finished
from paramjax.step._state import Trainer

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
        evaluate: `(params, eval_data) -> metrics`, name -> mean over the rows, a scalar; or
            `pj.metrics.Sums`; or a loss function's pair `(loss, metrics)`. Of a stateful trainer
            `(params, model_state, eval_data) -> metrics`. The structural hyperparameters are
            passed as one more argument if it takes one. None reports the metrics of the training
            steps, averaged over the last tenth of them.
        eval_data: The last argument of `evaluate`, leaves [rows, ...]; None passes None, for an
            `evaluate` that needs no data.
        model_state: The initial state of a stateful model; or `(params) -> model_state`, which
            makes one for each seed, such as a teacher that begins as a copy.
        stateful: Whether `evaluate` takes the model state; None takes the trainer's word, see
            `train_step`.
        metric: Name of the metric that decides which trial is best and which trials go on.
        maximise: Whether a larger value of the metric is better.

    Raises:
        TypeError: If `init` or `evaluate` is not a function, `metric` is not a name, `stateful`
            is not a truth value or None, or `batch_size` is neither a whole number nor a function.
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
    model_state: ModelState | Callable[[Params], ModelState] = ()
    stateful: bool | None = None
    metric: str = "loss"
    maximise: bool = False

    def __repr__(self) -> str:
        """The choices, and the shapes of the arrays."""
        return configuration("Problem", vars(self), ("data", "eval_data", "model_state"))

    def _repr_html_(self) -> str:
        """The same lines in a notebook."""
        return as_html(repr(self))

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
        if self.stateful is not None and not isinstance(self.stateful, bool):
            raise TypeError(
                f"problem: stateful: expected True, False or None, got {describe(self.stateful)}"
            )
        if self.batch_size is not None and not callable(self.batch_size):
            check_count("batch_size", self.batch_size)

    def check(self) -> int:
        """Raise unless data and evaluation data can be used; return the rows of the first.

        Raises:
            TypeError: If data are not numeric.
            ValueError: If data are empty, not finite or of uneven length, or do not fit in 32
                bits.
        """
        if self.eval_data is not None:
            check_data(self.eval_data, name="eval_data")
        return check_data(self.data)


def rows_a_step(problem: Problem, fixed: Hyperparameters) -> int | None:
    """The batch size of a structure; None for all rows."""
    batch_size = problem.batch_size
    return batch_size(fixed) if callable(batch_size) else batch_size


def is_stateful(problem: Problem, trainer: Trainer) -> bool:
    """Whether `evaluate` takes the model state: the trainer's word, which none may contradict."""
    said, own = trainer.stateful, problem.stateful
    if said is not None and own is not None and said is not own:
        raise ValueError(
            f"problem: stateful={own}, but the trainer was made with stateful={said}; leave "
            "`stateful` of the problem out, and it takes the trainer's word"
        )
    stateful = bool(own if said is None else said)
    given = callable(problem.model_state) or bool(jax.tree.leaves(problem.model_state))
    if given and said is False:
        raise ValueError(
            "problem: model_state: this trainer takes none, so nothing would read it; make the "
            "trainer with stateful=True, or leave model_state out"
        )
    if given and said is own is None and problem.evaluate is not None:
        raise ValueError(
            "problem: stateful: this trainer does not say whether it is stateful; expected "
            "stateful=True if `evaluate` takes the model state, or False, got None"
        )
    return stateful


def begun(problem: Problem, fixed: Hyperparameters, trainer: Trainer) -> Any:
    """`(params, model_state) -> model_state` with which a run begins."""
    is_stateful(problem, trainer)
    if not callable(problem.model_state):
        return lambda params, model_state: model_state
    make = with_structure(problem.model_state, fixed, 1)
    return lambda params, model_state: make(params)


def evaluation(
    problem: Any, fixed: Hyperparameters, *, stateful: bool | None = None
) -> Callable[..., Metrics]:
    """`(params, model_state, data) -> metrics` of a structure, scalars under their names."""
    evaluate: Callable[..., Any] | None = problem.evaluate
    if evaluate is None:
        return lambda params, model_state, data: {}
    takes_state = bool(problem.stateful if stateful is None else stateful)
    inputs = ("params", "model_state", "eval_data") if takes_state else ("params", "eval_data")
    _check_arguments(evaluate, inputs)
    measure = with_structure(evaluate, fixed, len(inputs))

    def measured(params: Params, model_state: ModelState, data: PyTree) -> Metrics:
        states = (model_state,) if takes_state else ()
        try:
            output = measure(params, *states, data)
        except (TypeError, ValueError, AttributeError, LookupError) as error:
            if data is not None:
                raise
            raise ValueError(
                "problem: eval_data: expected the data that `evaluate` measures, got None, with "
                f"which it fails ({type(error).__name__}: {error}); pass eval_data=, if need be "
                "the training data"
            ) from error
        return scalars(finished(as_metrics(output)))

    return measured


def scalars(metrics: Metrics) -> Metrics:
    """Metrics as arrays; raise, with its name, unless each is one real number."""
    for name, value in metrics.items():
        if not _is_real(value):
            raise ValueError(
                f"evaluate: metric {name!r}: expected one number for all rows, got "
                f"{describe(value)}; take its mean"
            )
    return {name: jnp.asarray(value) for name, value in metrics.items()}


def _is_real(value: Any) -> bool:
    """Whether a value is one real number or truth value."""
    numeric = isinstance(value, jax.Array | np.ndarray | np.number | np.bool_ | bool | int | float)
    return numeric and jnp.shape(value) == () and not is_key(value) and not jnp.iscomplexobj(value)


def task_of(problem: Problem, fixed: Hyperparameters) -> Task:
    """What a problem asks of a trainer of one structure."""

    def model_state(trainer: Trainer, params: Params, given: ModelState) -> ModelState:
        return begun(problem, fixed, trainer)(params, given)

    def evaluate(trainer: Trainer) -> Callable[..., Metrics]:
        return evaluation(problem, fixed, stateful=is_stateful(problem, trainer))

    return Task(model_state, evaluate)


def check_plateau(problem: Problem, measured: Metrics) -> None:
    """Raise unless evaluations tell `reduce_on_plateau` the problem's metric."""
    if problem.evaluate is None:
        raise ValueError(
            "problem: evaluate: reduce_on_plateau() waits for evaluations, got None; pass "
            "`evaluate` and `eval_data`, or take optax.contrib.reduce_on_plateau, which goes by "
            "the training loss"
        )
    if problem.metric not in measured:
        unknown = nearest(problem.metric, measured, what="metric")
        raise ValueError(f"problem: metric: reduce_on_plateau() goes by it: {unknown}")


def with_structure(
    function: Callable[..., Any], fixed: Hyperparameters, inputs: int
) -> Callable[..., Any]:
    """The function; if it takes one more argument, with the structural hyperparameters as that."""
    if not needs_structure(function, inputs):
        return function
    return lambda *args: function(*args, fixed)


def needs_structure(function: Callable[..., Any], inputs: int) -> bool:
    """Whether a function needs one argument more than its usual inputs."""
    needed = _needed(function)
    return needed is not None and needed[0] == inputs + 1


def _needed(function: Callable[..., Any]) -> tuple[int, int] | None:
    """How many positional arguments a function needs, and takes at most; None if unknown."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    taken = [p for p in parameters if p.kind in positional]
    more = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
    needed = sum(p.default is p.empty for p in taken)
    return needed, sys.maxsize if more else len(taken)


def _check_arguments(evaluate: Callable[..., Any], inputs: tuple[str, ...]) -> None:
    """Raise unless `evaluate` can be called with its inputs, or one argument more."""
    arity = _needed(evaluate)
    if arity is None or (arity[0] <= len(inputs) + 1 and len(inputs) <= arity[1]):
        return
    kind = "a stateful" if len(inputs) == 3 else "this"
    raise TypeError(
        f"problem: evaluate: of {kind} trainer expected a function ({', '.join(inputs)}) -> "
        f"metrics, got {describe(evaluate)} of {arity[0]} arguments"
    )
