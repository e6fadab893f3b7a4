"""One trial of a sweep trained once more, by `fit`."""

from __future__ import annotations

from typing import Any

from paramjax._types import PyTree
from paramjax.checkpoints._checkpoints import Checkpoints
from paramjax.populations._population import Population
from paramjax.populations._problem import rows_a_step
from paramjax.runs._fit import fit
from paramjax.runs._result import Fit
from paramjax.runs._validation import Validation
from paramjax.space._tracing import structure


def refit(
    population: Population, hyperparameters: dict[str, Any], data: PyTree, *, seed: int,
    steps: int | None, validation: Validation | None, checkpoints: Checkpoints | None,
    progress: bool | None,
) -> Fit:  # fmt: skip
    """Train hyperparameters from the start of a seed, on all rows of the problem or on others."""
    single = population.single(seed, hyperparameters)
    return fit(
        single.trainer, single.params, population.problem.data if data is None else data,
        key=single.key, steps=population.steps if steps is None else steps,
        batch_size=rows_a_step(population.problem, structure(population.space, hyperparameters)),
        model_state=single.model_state, validation=validation, checkpoints=checkpoints,
        progress=progress,
    )  # fmt: skip
