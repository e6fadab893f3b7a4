"""The rows of the records: workloads, optimizers and trainings."""

from __future__ import annotations

from typing import Any, NamedTuple

from paramjax.optim import Optimizer
from paramjax.space._distribution import Distribution


class WorkloadRow(NamedTuple):
    """A workload in the records.

    Attributes:
        workload: Its name.
        description: One line.
        metric: The metric that decides.
        maximise: Whether a larger metric is better.
        initial: Seed -> test metric of the untrained parameters.
        fingerprint: Hash of its data.
    """

    workload: str
    description: str
    metric: str
    maximise: bool
    initial: dict[int, float]
    fingerprint: str


class OptimizerRow(NamedTuple):
    """An optimizer in the records.

    Attributes:
        optimizer: Its name.
        source: Paper or file.
        space: Hyperparameter -> its distribution's kind and ends.
        fingerprint: Hash or version that must not change while trainings are added.
    """

    optimizer: str
    source: str
    space: dict[str, dict[str, Any]]
    fingerprint: str


class Training(NamedTuple):
    """One training in the records.

    Attributes:
        trial: Number of the hyperparameters.
        seed: Number of the seed.
        hyperparameters: Name -> value.
        status: `finished` or `diverged`.
        diverged_step: First step whose loss was not finite, or None.
        value: The deciding metric after the last step; NaN if it was not finite.
        curve: `step`, `train_loss` and each metric along the training; NaN if not finite.
    """

    trial: int
    seed: int
    hyperparameters: dict[str, Any]
    status: str
    diverged_step: int | None
    value: float
    curve: dict[str, list[float]]


def describe_space(optimizer: Optimizer) -> dict[str, dict[str, Any]]:
    """A search space as JSON: kind, ends or options, and whether its axis is logarithmic.

    Example:
        >>> from paramjax.optim import get
        >>> describe_space(get("sgd"))["learning_rate"]["kind"]
        'LogUniform'
    """
    return {name: _describe(distribution) for name, distribution in optimizer.space.items()}


def _describe(distribution: Distribution) -> dict[str, Any]:
    return {
        "kind": type(distribution).__name__,
        "logarithmic": distribution.logarithmic,
        "static": distribution.static,
        **{field: _plain(value) for field, value in vars(distribution).items()},
    }


def _plain(value: Any) -> Any:
    """A JSON value: containers element by element, what JSON does not know by its repr."""
    if isinstance(value, Distribution):
        return _describe(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else repr(value)
