"""A workload: a training problem with a name, a margin and a test part."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_rate, describe, nearest
from paramjax._types import Batch, LossFn, Metrics, ModelState, Params, PyTree
from paramjax.data._validation import check_data
from paramjax.populations._problem import Problem, evaluation, needs_structure
from paramjax.runs._interrupt import Terminated


@dataclass(frozen=True, eq=False, kw_only=True)
class Workload(Problem):
    """A training problem that stays fixed while optimizers change.

    It is a `Problem` with more attributes. Which rows are validation and test rows depends on
    the parts that are given:

    - neither: a fifth of `data` each, anew in each replicate;
    - `test_data` alone: a fifth of `data` is validation rows, anew in each replicate;
    - `eval_data` alone: its halves, anew in each replicate;
    - both: as published, and verdicts hold on this split.

    Attributes:
        name: What users type.
        loss_fn: The training loss, `(params, batch, key) -> (loss, metrics)`; with
            `stateful=True` `(params, model_state, batch, key) -> (loss, (model_state, metrics))`.
        data: Training data, leaves [rows, ...]; or, as `eval_data` and `test_data`, a function
            without arguments that returns it, called when training starts.
        evaluate: As in `Problem`; None is `evaluate_with(loss_fn)`.
        description: One line: model, data, rows.
        test_data: The rows that optimizers are scored on, of the form of `eval_data`.
        margin: The largest difference of the metric that does not matter, in its own units,
            fixed before anything is compared; None takes `default_margin`.
        margin_reason: Why that much does not matter.
        target: Value of the metric whose first reaching is timed.
        bears_verdicts: False for a workload that is kept for its speed and is too small to carry
            a verdict.

    Raises:
        TypeError: If `name` is not a name, `loss_fn` not a function, or `batch_size` neither a
            whole number nor None.
        ValueError: If the margin is negative, or a number is not finite.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from paramjax.losses import squared_error, supervised
        >>> x = jnp.linspace(-1.0, 1.0, 100)
        >>> slope = Workload(
        ...     name="slope",
        ...     init=lambda key: jax.random.normal(key),
        ...     loss_fn=supervised(lambda w, x: w * x, squared_error),
        ...     data=lambda: {"x": x, "y": 3 * x},
        ...     batch_size=10,
        ...     margin=0.01,
        ... )
        >>> slope.loaded().check()
        100
    """

    name: str
    loss_fn: LossFn
    stateful: bool = False
    description: str = ""
    test_data: PyTree = None
    margin: float | None = None
    margin_reason: str = ""
    target: float | None = None
    bears_verdicts: bool = True

    def __post_init__(self) -> None:
        """Refuse bad fields; take the evaluation of the loss if none is given."""
        if not isinstance(self.name, str) or not self.name.strip():
            raise TypeError(f"workload: name: expected a name, got {describe(self.name)}")
        if not self.name.isascii() and not _is_text(self.name):
            raise ValueError(f"workload: name: expected text, got {self.name!r}, half a character")
        try:
            super().__post_init__()
            _check_fields(self)
        except (TypeError, ValueError) as error:
            reason = str(error).removeprefix("problem: ")
            raise type(error)(f"workload {self.name}: {reason}") from None
        if self.evaluate is None or hasattr(self.evaluate, _OF_LOSS):
            evaluate = evaluate_with(self.loss_fn, stateful=self.stateful)
            setattr(evaluate, _OF_LOSS, True)  # `replace` with another loss makes it anew
            object.__setattr__(self, "evaluate", evaluate)

    def loaded(self) -> Workload:
        """The workload with its data in place of functions that return it.

        Example:
            >>> lazy = Workload(
            ...     name="mean", init=lambda key: 0.0, data=lambda: jnp.ones(5),
            ...     loss_fn=lambda params, batch, key: (jnp.mean((params - batch) ** 2), {}),
            ... )
            >>> lazy.loaded().data.shape
            (5,)
        """
        parts = {name: getattr(self, name) for name in _PARTS}
        lazy = {name: _of_user(self, name, load) for name, load in parts.items() if callable(load)}
        return replace(self, **lazy) if lazy else self

    def model_state_of(self, params: Params) -> ModelState:
        """The model state that parameters begin with.

        Example:
            >>> teacher = Workload(
            ...     name="teacher", init=lambda key: 2.0, data=jnp.ones(5), stateful=True,
            ...     loss_fn=lambda params, state, batch, key: ((params - state) ** 2, (state, {})),
            ...     model_state=lambda params: params / 2,
            ... )
            >>> teacher.model_state_of(2.0)
            1.0
        """
        return self.model_state(params) if callable(self.model_state) else self.model_state

    def check(self) -> int:
        """Raise unless a loaded workload can be trained and evaluated; return the rows of `data`.

        Nothing is trained: the loss and the evaluation are traced.

        Raises:
            TypeError: If its data is not loaded or not numeric, or `init` needs more than a key.
            ValueError: If a part is empty, NaN or of uneven length, the loss or the evaluation
                cannot be traced, the loss returns another form, or the evaluation does not
                report the deciding metric as one number.
        """
        parts = {name: getattr(self, name) for name in _PARTS}
        rows = [_rows(self, name, part) for name, part in parts.items() if part is not None]
        if isinstance(self.batch_size, int) and self.batch_size > rows[0]:
            raise ValueError(
                f"workload {self.name}: batch_size: expected at most the {rows[0]} rows of data, "
                f"got {self.batch_size}"
            )
        if needs_structure(self.init, 1):
            raise TypeError(
                f"workload {self.name}: init: expected a function (key) -> params, the same for "
                f"every optimizer, got {describe(self.init)} with more arguments"
            )
        params = _traced(self, "init", self.init, jax.random.key(0))
        model_state = _traced(self, "model_state", self.model_state_of, params)
        states = (model_state,) if self.stateful else ()
        output = _traced(
            self, "loss_fn", self.loss_fn, params, *states, self.data, jax.random.key(0)
        )
        _check_output(self, output)
        held_out = next(p for p in (self.eval_data, self.test_data, self.data) if p is not None)
        measure = evaluation(self, {})
        _check_metric(self, _traced(self, "evaluate", measure, params, model_state, held_out))
        return rows[0]


def evaluate_with(loss_fn: LossFn, *, stateful: bool = False) -> Callable[..., Metrics]:
    """The evaluation that reports a loss and its metrics over all rows of a part.

    Args:
        loss_fn: A loss that does not read its key, which is None.
        stateful: Whether it has model state. It is then evaluated as it is trained: a layer that
            is to use running averages instead of the batch's needs an `evaluate` of its own.

    Returns:
        `(params, data) -> metrics`, with `loss` among them; stateful
        `(params, model_state, data) -> metrics`.

    Example:
        >>> evaluate = evaluate_with(lambda params, batch, key: (params, {"double": 2 * params}))
        >>> evaluate(1.5, None)
        {'loss': 1.5, 'double': 3.0}
        >>> counted = lambda params, seen, batch, key: (params, (seen + 1, {"seen": seen}))
        >>> evaluate_with(counted, stateful=True)(1.5, 4, None)
        {'loss': 1.5, 'seen': 4}
    """

    def evaluate(params: Params, data: Batch) -> Metrics:
        loss, metrics = loss_fn(params, data, None)
        return {"loss": loss, **metrics}

    def evaluate_state(params: Params, model_state: ModelState, data: Batch) -> Metrics:
        loss, (_, metrics) = loss_fn(params, model_state, data, None)
        return {"loss": loss, **metrics}

    return evaluate_state if stateful else evaluate


_PARTS = ("data", "eval_data", "test_data")
_OF_LOSS = "_of_the_workloads_loss"


def _is_text(name: str) -> bool:
    """Whether UTF-8 can write a name."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_fields(workload: Workload) -> None:
    """Raise unless the fields that `Problem` lacks are what they should be."""
    if not callable(workload.loss_fn):
        raise TypeError(f"loss_fn: expected a function, got {describe(workload.loss_fn)}")
    if callable(workload.batch_size):
        raise TypeError(
            "batch_size: expected a whole number or None, got a function; optimizers are "
            "compared at one batch size"
        )
    for name, low in (("margin", 0.0), ("target", -math.inf)):
        value = getattr(workload, name)
        if callable(value):
            raise TypeError(f"{name}: expected a number or None, got {describe(value)}")
        if value is not None:
            check_rate(name, value, low=low)


def _rows(workload: Workload, name: str, part: PyTree) -> int:
    """The rows of a part, which must be loaded and can be trained on."""
    if callable(part):
        raise TypeError(
            f"workload {workload.name}: {name}: expected arrays, got a function; call "
            "workload.loaded() first"
        )
    try:
        return check_data(part, name)
    except (TypeError, ValueError) as error:
        raise type(error)(f"workload {workload.name}: {error}") from None


def _traced(workload: Workload, what: str, function: Callable[..., Any], *args: PyTree) -> PyTree:
    """The shapes that a function of the workload returns; any error of it names it."""
    return _of_user(workload, what, lambda: jax.eval_shape(function, *args))


def _of_user(workload: Workload, what: str, call: Callable[[], Any]) -> Any:
    """What a function of the user returns; any error of it, and leaving the program, names it."""
    try:
        return call()
    except Terminated:
        raise
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).strip().splitlines()[:1])
        raise ValueError(
            f"workload {workload.name}: {what} raised {type(error).__name__}: {reason}"
        ) from error


def _check_output(workload: Workload, output: Any) -> None:
    """Raise unless a loss returns one number with metrics, and a model state if it is stateful."""
    expected = "(loss, (model_state, metrics))" if workload.stateful else "(loss, metrics)"
    pair = isinstance(output, tuple) and len(output) == 2
    further: Any = output[1] if pair else None
    if pair and workload.stateful:
        pair = isinstance(further, tuple) and len(further) == 2
        further = further[1] if pair else None
    if not pair or not isinstance(further, Mapping):
        raise ValueError(
            f"workload {workload.name}: loss_fn: expected it to return {expected} with a dict of "
            f"metrics, {{}} for none, got {_form(output)}"
        )
    if jnp.shape(output[0]) != ():
        raise ValueError(
            f"workload {workload.name}: loss_fn: expected a loss that is one number, got "
            f"{describe(output[0])}; take its mean"
        )


def _form(output: Any) -> str:
    """The shapes of an output, with None in it."""
    if isinstance(output, tuple):
        return f"({', '.join(map(_form, output))})"
    return describe(output) if hasattr(output, "dtype") else type(output).__name__


def _check_metric(workload: Workload, metrics: Metrics) -> None:
    """Raise unless the metrics hold the deciding one, as one number."""
    if workload.metric not in metrics:
        raise ValueError(
            f"workload {workload.name}: evaluate does not report what decides: "
            + nearest(workload.metric, metrics, what="metric")
        )
    value = metrics[workload.metric]
    if jnp.shape(value) != () or not jnp.issubdtype(jnp.result_type(value), jnp.number):
        raise ValueError(
            f"workload {workload.name}: metric {workload.metric!r}: expected one number for all "
            f"rows, got {describe(value)}"
        )
