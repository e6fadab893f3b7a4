"""One training of a population repeated alone."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from paramjax._types import Array, Key, Metrics, Params, PyTree
from paramjax.populations._outcome import Outcome
from paramjax.populations._population import Population
from paramjax.step._state import TrainState, scan_steps


class Replay(NamedTuple):
    """A training repeated alone, and its distance from the training in the population.

    Attributes:
        params: Parameters to evaluate of the training that was repeated.
        history: Its step metrics, name -> [steps].
        params_distance: Euclidean norm of the difference of all parameters, relative to the norm
            of those in the population.
        loss_distance: Largest difference of the loss at any step, relative to the loss there.
        identical: Whether parameters and losses are equal to the bit.
    """

    params: Params
    history: dict[str, np.ndarray]
    params_distance: float
    loss_distance: float
    identical: bool

    def __str__(self) -> str:
        """The distance, in a sentence."""
        if self.identical:
            return "equal to its lane, to the bit"
        return (
            f"parameters {self.params_distance:.1e} from its lane's (relative), losses at most "
            f"{self.loss_distance:.1e}"
        )


def replay(population: Population, outcome: Outcome) -> Replay:
    """Train one run of a population alone: hyperparameters as plain numbers, one scan of steps."""
    record = outcome.record
    single = population.single(record.seed, record.hyperparameters)

    @jax.jit
    def train(
        key: Key, params: Params, data: PyTree, order: Array | None
    ) -> tuple[Params, Metrics]:
        state: TrainState = single.trainer.init(key, params, single.model_state)
        state, history = scan_steps(single.trainer, state, data, order, record.steps)
        return single.trainer.eval_params(state), history

    ended = train(single.key, single.params, single.data, single.order(record.steps))
    params, history = jax.device_get(ended)
    lane = outcome.history["loss"][: record.steps]
    same = jax.tree.map(np.array_equal, params, outcome.params)
    return Replay(
        params,
        history,
        _distance(params, outcome.params),
        _largest(history["loss"], lane),
        all(jax.tree.leaves(same)) and np.array_equal(history["loss"], lane),
    )


def _distance(mine: Params, other: Params) -> float:
    """The norm of the difference, relative to the norm of the second tree, in float64."""
    pairs = list(zip(jax.tree.leaves(mine), jax.tree.leaves(other), strict=True))
    squares = sum(float(np.sum((np.float64(a) - np.float64(b)) ** 2)) for a, b in pairs)
    norm = sum(float(np.sum(np.float64(b) ** 2)) for _, b in pairs)
    return float(np.sqrt(squares / max(norm, np.finfo(float).tiny)))


def _largest(mine: np.ndarray, other: np.ndarray) -> float:
    """The largest difference, relative to the second array."""
    if not len(mine):
        return 0.0
    tiny = np.finfo(np.float32).tiny
    difference = np.abs(np.float64(mine) - np.float64(other)) / np.maximum(np.abs(other), tiny)
    return float(difference.max())
