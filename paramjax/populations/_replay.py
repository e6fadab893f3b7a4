"""One training of a population repeated alone."""

from __future__ import annotations

import functools
import itertools
from typing import NamedTuple

import jax
import numpy as np

from paramjax._types import Array, Metrics, ModelState, Params, PyTree
from paramjax.optim import has_plateau, update_plateau
from paramjax.populations._outcome import Outcome
from paramjax.populations._population import Population, SingleRun
from paramjax.step._state import TrainState, scan_steps


class Replay(NamedTuple):
    """A training repeated alone, and its distance from the training in the population.

    Attributes:
        params: Parameters to evaluate of the training that was repeated.
        model_state: The model state that belongs to them.
        history: Its step metrics, name -> [steps].
        params_distance: Euclidean norm of the difference of all parameters, relative to the norm
            of those in the population.
        loss_distance: Largest difference of the loss at any step, relative to the loss there.
        identical: Whether parameters and losses are equal to the bit.
    """

    params: Params
    model_state: ModelState
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
    params, model_state, history = _trained(single, record.steps)
    lane = outcome.history["loss"][: record.steps]
    same = jax.tree.map(np.array_equal, params, outcome.params)
    return Replay(
        params,
        model_state,
        history,
        _distance(params, outcome.params),
        _largest(history["loss"], lane),
        all(jax.tree.leaves(same)) and np.array_equal(history["loss"], lane),
    )


def _trained(single: SingleRun, steps: int) -> tuple[Params, ModelState, dict[str, np.ndarray]]:
    """Parameters to evaluate, their model state and the history of a run after some steps."""
    trainer = single.trainer

    @functools.partial(jax.jit, static_argnames="count")
    def train(
        state: TrainState, data: PyTree, order: Array | None, *, count: int
    ) -> tuple[TrainState, Metrics]:
        return scan_steps(trainer, state, data, order, count)

    state = jax.jit(trainer.init)(single.key, single.params, single.model_state)
    told = {end for end in single.scored if end < steps} if has_plateau(state) else set()
    order, histories = single.order(steps), []
    for first, end in itertools.pairwise([0, *sorted(told), steps]):
        own = None if order is None else order[first:end]
        state, history = train(state, single.data, own, count=end - first)
        histories.append(jax.device_get(history))
        if end in told:
            state = _told(single, state)
    kept = jax.jit(lambda state: (trainer.eval_params(state), trainer.eval_model_state(state)))
    params, model_state = jax.device_get(kept(state))
    whole = {n: np.concatenate([own[n] for own in histories]) for n in histories[0]}
    return params, model_state, whole


def _told(single: SingleRun, state: TrainState) -> TrainState:
    """The state after its plateaus were told how an evaluation of it goes."""
    told: TrainState = jax.jit(lambda own: update_plateau(own, single.score(own)))(state)
    return told


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
