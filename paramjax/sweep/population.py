"""Many trainings as one vmapped program, with their numeric hyperparameters traced."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax.space import Space, structure, traced
from paramjax.sweep.runs import DIVERGED, Record, Run, judge, tail_mean
from paramjax.sweep.starts import Starts
from paramjax.train.scan import scan_steps
from paramjax.train.state import Trainer, TrainState
from paramjax.types import Array, Hyperparameters, Metrics, Params, PyTree

MakeTrainer = Callable[[Hyperparameters], Trainer]
"""`(hyperparameters) -> Trainer`, called while the population is traced."""

Evaluate = Callable[[Params, PyTree], Metrics]
"""`(params, data) -> metrics` over a whole evaluation set."""


class Trained(NamedTuple):
    """What the compiled program returns, every leaf with a leading axis of runs.

    Attributes:
        params: Parameters to evaluate after the last step.
        history: Metric name -> [runs, steps].
        curve: Metric name -> [runs, evaluations].
    """

    params: Params
    history: Metrics
    curve: Metrics


def evaluation_steps(steps: int, evaluations: int) -> list[int]:
    """After how many steps each evaluation happens: evenly spaced, the last at the end.

    Args:
        steps: Steps of a run.
        evaluations: Number of evaluations wanted; never more than there are steps.

    Returns:
        Increasing step counts.

    Example:
        >>> evaluation_steps(500, 4), evaluation_steps(7, 3)
        ([125, 250, 375, 500], [1, 4, 7])
    """
    every = -(-steps // min(evaluations, steps))
    return list(range(steps, 0, -every))[::-1]


class Population:
    """Trainings of one kind, compiled once for each structure among the hyperparameters.

    Args:
        make_trainer: `(hyperparameters) -> Trainer`.
        space: Tells which hyperparameters are structure and which are traced.
        starts: Initial parameters and batch orders of the seeds.
        seeds: The seeds in the order of `starts`.
        data: Training data, leaves [rows, ...].
        steps: Steps of each run.
        evaluate: `(params, data) -> metrics`, or None for the training metrics alone.
        evaluations: How often to evaluate, evenly spaced, the last time at the end.
        width: Runs a program call; the rest of a call is padded with its last run.

    Example:
        >>> import optax
        >>> from paramjax.space import log_uniform
        >>> from paramjax.sweep.starts import prepare_starts
        >>> from paramjax.train.step import train_step
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> starts = prepare_starts(
        ...     lambda key: jnp.zeros(()), jax.random.key(0), [0], rows=2, steps=9, batch_size=None
        ... )
        >>> population = Population(
        ...     lambda hp: train_step(loss_fn, optax.sgd(hp["learning_rate"])),
        ...     {"learning_rate": log_uniform(0.1, 1.0)},
        ...     starts=starts, seeds=[0], data=jnp.array([1.0, 3.0]), steps=9, width=2,
        ... )
        >>> trained = population.train([Run(0, 0, {"learning_rate": 0.5})])
        >>> trained.params.tolist()
        [2.0]
    """

    def __init__(
        self,
        make_trainer: MakeTrainer,
        space: Space,
        *,
        starts: Starts,
        seeds: Sequence[int],
        data: PyTree,
        steps: int,
        evaluate: Evaluate | None = None,
        evaluations: int = 1,
        width: int,
    ) -> None:
        self.space = space
        self.width = width
        self.points = evaluation_steps(steps, evaluations)
        self._make_trainer = make_trainer
        self._evaluate = evaluate or (lambda params, data: {})
        self._place = {seed: place for place, seed in enumerate(seeds)}
        self._starts = starts
        self._data = jax.tree.map(jnp.asarray, data)
        self._programs: dict[tuple[Any, ...], Any] = {}

    def chunks(self, runs: Sequence[Run]) -> list[list[Run]]:
        """Cut runs into calls of one structure and at most `width` runs."""
        groups: dict[tuple[Any, ...], list[Run]] = {}
        for run in runs:
            which = tuple(structure(self.space, run.hyperparameters).items())
            groups.setdefault(which, []).append(run)
        return [
            group[start : start + self.width]
            for group in groups.values()
            for start in range(0, len(group), self.width)
        ]

    def train(self, chunk: Sequence[Run], eval_data: PyTree = None) -> Trained:
        """Train one chunk.

        Args:
            chunk: From one to `width` runs of one structure, as `chunks` gives them.
            eval_data: What `evaluate` is given.

        Returns:
            Parameters, history and curve, each with a leading axis of runs.
        """
        padded = [*chunk, *[chunk[-1]] * (self.width - len(chunk))]
        numbers = traced(self.space, [run.hyperparameters for run in padded])
        place = np.array([self._place[run.seed] for run in padded], np.int32)
        program = self._program(chunk[0])
        trained = program(numbers, place, self._starts, self._data, eval_data)
        return jax.tree.map(lambda leaf: leaf[: len(chunk)], trained)

    def records(self, chunk: Sequence[Run], trained: Trained) -> list[Record]:
        """What came of each run of a chunk, on the host."""
        history, curve = jax.device_get((trained.history, trained.curve))
        return [
            _record(
                run,
                {name: values[place] for name, values in history.items()},
                {name: values[place] for name, values in curve.items()},
                self.points,
            )
            for place, run in enumerate(chunk)
        ]

    def _program(self, run: Run) -> Any:
        """The compiled program of this run's structure, made when first asked for."""
        fixed = structure(self.space, run.hyperparameters)
        which = tuple(fixed.items())
        if which not in self._programs:
            lane = _lane(self._make_trainer, fixed, self._evaluate, self.points)
            over_runs = jax.vmap(lane, in_axes=(0, 0, None, None, None))
            self._programs[which] = jax.jit(over_runs)
        return self._programs[which]


def _lane(
    make_trainer: MakeTrainer, fixed: dict[str, Any], evaluate: Evaluate, points: list[int]
) -> Callable[..., Trained]:
    """The whole of one run, to be mapped over runs."""

    def lane(
        numbers: dict[str, Array], place: Array, starts: Starts, data: PyTree, eval_data: PyTree
    ) -> Trained:
        trainer = make_trainer({**fixed, **numbers})
        params, key = jax.tree.map(lambda leaf: leaf[place], (starts.params, starts.key))

        def segment(state: TrainState, order: Array | None, *, length: int) -> tuple[Any, Any]:
            rows = None if order is None else order[:, place]
            state, history = scan_steps(trainer, state, data, rows, length)
            return state, (history, evaluate(trainer.eval_params(state), eval_data))

        state, done, parts = trainer.init(key, params), 0, []
        for count, length in _even_segments(points):
            order = _cut(starts.order, done, count, length)
            state, (history, curve) = jax.lax.scan(
                functools.partial(segment, length=length), state, order, length=count
            )
            flat = jax.tree.map(lambda v: v.reshape(-1, *v.shape[2:]), history)
            parts.append((flat, curve))
            done += count * length
        history, curve = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)
        return Trained(trainer.eval_params(state), history, curve)

    return lane


def _even_segments(points: list[int]) -> list[tuple[int, int]]:
    """How many segments of which length lead to the points; one kind wherever they are even.

    Each kind compiles the step once more.
    """
    lengths = [end - start for start, end in itertools.pairwise([0, *points])]
    return [(len(list(equal)), length) for length, equal in itertools.groupby(lengths)]


def _cut(order: Array | None, start: int, count: int, length: int) -> Array | None:
    """The rows of some segments, int32[count, length, seeds, batch]."""
    if order is None:
        return None
    return order[start : start + count * length].reshape(count, length, *order.shape[1:])


def _record(
    run: Run, history: dict[str, np.ndarray], curve: dict[str, np.ndarray], points: list[int]
) -> Record:
    """One run's record; without an evaluation its last values are means of the last tenth."""
    status, step = judge(history["loss"])
    train_loss = [float(part.mean()) for part in np.split(history["loss"], points[:-1])]
    last = {name: float(values[-1]) for name, values in curve.items()}
    if not curve:
        last = {name: tail_mean(values) for name, values in history.items() if values.ndim == 1}
    if not all(map(math.isfinite, last.values())):
        status = DIVERGED
    curves = {"step": [float(p) for p in points], "train_loss": train_loss}
    curves |= {name: values.astype(float).tolist() for name, values in curve.items()}
    return Record(run.trial, run.seed, run.hyperparameters, status, step, last, curves)
