"""A workload: data in three parts, a model, a loss and the metric that decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from paramjax._types import Batch, Key, LossFn, Metrics, Params
from paramjax.data._splits import Splits
from paramjax.populations._problem import Problem


@dataclass(frozen=True)
class Workload:
    """A training problem that stays fixed while optimizers change.

    Attributes:
        name: The name users type.
        description: One line: model, data, rows.
        load: Returns the data; training, validation and test parts share no row.
        init: `(key) -> params`.
        loss_fn: The training loss, `(params, batch, key) -> (loss, metrics)`.
        evaluate: `(params, data) -> metrics` over a whole part, with `metric` among them.
        metric: The name that decides the verdict.
        maximise: Whether a larger metric is better.
        batch_size: Rows a step, drawn without replacement; None for all of them.
    """

    name: str
    description: str
    load: Callable[[], Splits]
    init: Callable[[Key], Params]
    loss_fn: LossFn
    evaluate: Callable[[Params, Batch], Metrics]
    metric: str
    maximise: bool
    batch_size: int | None

    def problem(self, splits: Splits) -> Problem:
        """The training problem on the training part, judged on the validation part.

        Args:
            splits: The data, as `load` returns it.
        """
        return Problem(
            init=self.init, data=splits.train, batch_size=self.batch_size,
            evaluate=self.evaluate, eval_data=splits.validation,
            metric=self.metric, maximise=self.maximise,
        )  # fmt: skip


def evaluate_with(loss_fn: LossFn) -> Callable[[Params, Batch], Metrics]:
    """The evaluation that reports a loss and its metrics over a whole part.

    Args:
        loss_fn: A loss that ignores its key.

    Returns:
        `(params, data) -> metrics`, with `loss` among them.

    Example:
        >>> evaluate = evaluate_with(lambda params, batch, key: (params, {"double": 2 * params}))
        >>> evaluate(1.5, None)
        {'loss': 1.5, 'double': 3.0}
    """

    def evaluate(params: Params, data: Batch) -> Metrics:
        loss, metrics = loss_fn(params, data, None)
        return {"loss": loss, **metrics}

    return evaluate
