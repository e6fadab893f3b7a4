"""A population from what users give: functions, data, a key."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax

from paramjax._checks import check_count
from paramjax._types import Hyperparameters, Key, ModelState, Params, PyTree
from paramjax.data._validation import check_data
from paramjax.populations._devices import mesh_of_runs
from paramjax.populations._population import Evaluate, MakeTrainer, Population, needs_structure
from paramjax.populations._starts import PendingStarts, pending_starts
from paramjax.space._distribution import Space

BatchSize = int | None | Callable[[Hyperparameters], int | None]
"""Rows a step, None for all of them; or `(structural hyperparameters) -> rows`."""


def new_population(
    make_trainer: MakeTrainer,
    space: Space,
    *,
    init: Callable[..., Params],
    data: PyTree,
    seeds: int,
    steps: int,
    key: Key,
    batch_size: BatchSize = None,
    evaluate: Evaluate | None = None,
    evaluations: int = 1,
    rungs: Sequence[int] = (),
    model_state: ModelState = (),
    stateful: bool = False,
    devices: Sequence[jax.Device] | None = None,
) -> Population:
    """Check what users give, and make a population of it.

    Args:
        make_trainer: See `sweep`, as all that is not said here.
        space: As `check_space` returns it.
        init: Initial parameters.
        data: Training data, leaves [rows, ...].
        seeds: Trainings of each trial.
        steps: Steps of each training.
        key: Names the starts and the orders of batches.
        batch_size: Rows a step.
        evaluate: What is measured.
        evaluations: How often.
        rungs: Steps after which runs are evaluated besides, and may be taken up again.
        model_state: What a stateful model starts with.
        stateful: Whether `evaluate` takes the model state.
        devices: Which devices share the runs.

    Returns:
        The population; nothing is traced yet.

    Raises:
        TypeError: For data that is not numeric, or counts that are not whole numbers.
        ValueError: For data that is empty, NaN or of uneven length, or counts out of range.
    """
    check_data(data)
    for name, count in (("seeds", seeds), ("steps", steps), ("evaluations", evaluations)):
        check_count(name, count)
    if batch_size is not None and not callable(batch_size):
        check_count("batch_size", batch_size)
    return Population(
        make_trainer,
        space,
        starts=_starts(init, key, seeds),
        seeds=range(seeds),
        data=data,
        steps=steps,
        batch_size=batch_size,
        evaluate=evaluate,
        evaluations=evaluations,
        rungs=rungs,
        model_state=model_state,
        stateful=stateful,
        mesh=mesh_of_runs(devices),
    )


def _starts(
    init: Callable[..., Params], key: Key, seeds: int
) -> PendingStarts | Callable[[Hyperparameters], PendingStarts]:
    """The starts of all seeds, for each structure if they depend on it."""
    if not needs_structure(init, 1):
        return pending_starts(init, key, range(seeds))
    return lambda fixed: pending_starts(lambda key: init(key, fixed), key, range(seeds))
