"""Many trainings of one problem, with their numeric hyperparameters traced."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from paramjax._arrays import on_device
from paramjax._threefry import words
from paramjax._types import Array, Hyperparameters, Key, ModelState, Params, PyTree
from paramjax.data._sampler import host_batches, steps_per_epoch
from paramjax.populations._devices import placed
from paramjax.populations._execution import Layout
from paramjax.populations._functions import Plateau
from paramjax.populations._orders import Orders
from paramjax.populations._outcome import ChunkResult
from paramjax.populations._problem import Problem, check_plateau, rows_a_step, task_of
from paramjax.populations._programs import Shared
from paramjax.populations._seed_rows import SeedRows, all_rows, row_shapes, rows_of
from paramjax.populations._starts import PendingStarts, Starts
from paramjax.populations._structure_group import StructureGroup
from paramjax.populations._traced_trainer import (
    Inputs,
    TracedTrainer,
    TrackedHyperparameters,
    trace_trainer,
)
from paramjax.populations._trial_run import TrialRun, evaluation_steps
from paramjax.space._choice import Choice, option_index
from paramjax.space._conditional import unconditional
from paramjax.space._distribution import Space
from paramjax.space._tracing import structure, traced
from paramjax.step._state import Trainer, TrainState

MakeTrainer = Callable[[Hyperparameters], Trainer]
"""`(hyperparameters) -> Trainer`, called while the population is traced."""


class SingleRun(NamedTuple):
    """The inputs of one run, to train it alone."""

    trainer: Trainer  # made with hyperparameters that are plain numbers
    key: Key
    params: Params
    model_state: ModelState  # that the run begins with
    data: PyTree
    order: Callable[[int], np.ndarray | None]  # (steps) -> int32[steps, batch]; None reads all rows
    score: Callable[[TrainState], Array]  # of an evaluation, the lower the better
    scored: frozenset[int]  # steps after which plateaus are told the score


class Population:
    """Trainings of one problem; each structure of the hyperparameters is traced once.

    Args:
        make_trainer: `(hyperparameters) -> Trainer`.
        space: Hyperparameter name -> distribution, which says what is structure.
        problem: What is learned, from which data, and what is measured; `init` is not called. Its
            `data` and `eval_data` may be `SeedRows`, of which each seed reads rows of its own.
        starts: Initial parameters and keys of the seeds, see `prepare_starts`; or
            `(structure) -> starts` if they depend on the structure.
        seeds: The seeds, in the order of `starts`.
        steps: Steps of each run, positive.
        evaluations: Number of evaluations, evenly spaced, the last at the end; positive.
        rungs: Further steps after which runs are evaluated and can be resumed.
        mesh: A mesh with one axis of devices; None for the default device.
        orders: The orders of batches of the seeds, to share with other populations; None draws
            them.

    Attributes:
        data: The training data, on the devices.
        eval_data: The last argument of `evaluate`, on the devices.
        read: Names of the hyperparameters that `make_trainer` has read so far.

    Example:
        >>> import optax
        >>> from paramjax import log_uniform
        >>> from paramjax.populations import prepare_starts
        >>> from paramjax import train_step
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> problem = Problem(init=lambda key: jnp.zeros(()), data=jnp.array([1.0, 3.0]))
        >>> population = Population(
        ...     lambda hp: train_step(loss_fn, optax.sgd(hp["learning_rate"])),
        ...     {"learning_rate": log_uniform(0.1, 1.0)}, problem,
        ...     starts=prepare_starts(problem.init, jax.random.key(0), [0]), seeds=[0], steps=9,
        ... )
        >>> chunk = population.train([TrialRun(0, 0, {"learning_rate": 0.5})], Layout(2))
        >>> chunk.params.tolist()
        [2.0]
    """

    def __init__(
        self,
        make_trainer: MakeTrainer,
        space: Space,
        problem: Problem,
        *,
        starts: Starts | PendingStarts | Callable[[Hyperparameters], Starts | PendingStarts],
        seeds: Sequence[int],
        steps: int,
        evaluations: int = 1,
        rungs: Sequence[int] = (),
        mesh: Mesh | None = None,
        orders: Orders | None = None,
    ) -> None:
        self.space, self.seeds, self.steps, self.mesh = space, list(seeds), steps, mesh
        self.problem = problem
        regular = evaluation_steps(steps, evaluations)
        self.evaluation_steps = sorted({*regular, *rungs})
        # what a rung measures must not change a run that goes on
        self._plateau = Plateau(frozenset(regular), problem.metric, problem.maximise)
        self._make_trainer, self._starts, self._orders = make_trainer, starts, orders
        model_state = () if callable(problem.model_state) else problem.model_state
        arrays = jax.tree.map(on_device, (model_state, all_rows(problem.data)))
        self._model_state, self.data = placed(arrays, mesh, split=False)
        own = problem.data.rows if isinstance(problem.data, SeedRows) else None
        self._seed_rows = None if own is None else np.asarray(own, np.int32)
        self.eval_data = placed(problem.eval_data, mesh, split=False)
        self.read: set[str] = set()
        self._structure_groups: dict[Any, StructureGroup] = {}
        self._lock = threading.Lock()

    def groups(self, runs: Sequence[TrialRun]) -> list[list[TrialRun]]:
        """Group runs by structure, in the order in which structures first occur.

        Args:
            runs: Runs of any structures.

        Returns:
            The runs of each structure.
        """
        groups: dict[Any, list[TrialRun]] = {}
        for run in runs:
            fixed = structure(self.space, run.hyperparameters)
            groups.setdefault(self._key_of(fixed), []).append(run)
        return list(groups.values())

    def chunks(self, runs: Sequence[TrialRun], layout: Layout) -> list[list[TrialRun]]:
        """Cut runs into the calls of a layout, each of one structure.

        Args:
            runs: Runs of any structures.
            layout: How many runs a call trains.

        Returns:
            The runs of each call.
        """
        width = layout.width * (1 if self.mesh is None else self.mesh.size)
        return [
            group[start : start + width]
            for group in self.groups(runs)
            for start in range(0, len(group), width)
        ]

    def structure_group(self, run: TrialRun, eval_data: PyTree = None) -> StructureGroup:
        """The group of a run's structure, traced when first asked for.

        Args:
            run: A run of the structure.
            eval_data: Replaces the problem's `eval_data`.

        Returns:
            The group, which compiles and trains.

        Raises:
            TypeError: If `make_trainer` returns something other than a trainer.
            ValueError: If a step changes the form of the state or reports no scalar loss, or if a
                batch is larger than the data.
        """
        eval_data = self.eval_data if eval_data is None else eval_data
        forms = jax.tree.map(lambda leaf: (jnp.shape(leaf), jnp.result_type(leaf)), eval_data)
        fixed = structure(self.space, run.hyperparameters)
        which = (self._key_of(fixed), str(forms))
        with self._lock:
            if which not in self._structure_groups:
                tracked = TrackedHyperparameters(fixed, self.space, self.read)
                self._structure_groups[which] = self._new_structure_group(tracked, run, eval_data)
            return self._structure_groups[which]

    def train(
        self, chunk: Sequence[TrialRun], layout: Layout, eval_data: PyTree = None, **between: Any
    ) -> ChunkResult:
        """Train one chunk of runs.

        Args:
            chunk: Runs of one structure, at most as many as a call of the layout trains.
            layout: How the runs are laid out.
            eval_data: Replaces the problem's `eval_data`.
            between: `first` and `end`, the steps to train from and to; `resume_state` of the
                chunk before; `last`, whether the runs end there. By default all steps.

        Returns:
            Histories, metrics and parameters of the runs.

        Raises:
            TypeError: See `structure_group`.
            ValueError: See `structure_group`.
        """
        if eval_data is not None:
            eval_data = placed(eval_data, self.mesh, split=False)
        return self.structure_group(chunk[0], eval_data).train(
            chunk, layout, eval_data=eval_data, **between
        )

    def traces(self, run: TrialRun, known: set[str]) -> bool:
        """Whether a run can be traced with the numbers of these names as plain ones."""
        values = structure(self.space, run.hyperparameters)
        fixed = TrackedHyperparameters(values, self.space, set())
        try:
            self._trace(fixed, self._starts_of(fixed), run, self.eval_data, known)
        except (TypeError, ValueError):
            return False
        return True

    def single(self, seed: int, hyperparameters: dict[str, Any]) -> SingleRun:
        """The inputs of one run, to train it alone.

        Args:
            seed: One of the population's seeds.
            hyperparameters: Name -> value.

        Returns:
            Trainer, initial state and order of batches.
        """
        fixed = TrackedHyperparameters(structure(self.space, hyperparameters), self.space, set())
        starts, batch_size = self._starts_of(fixed).made(), self._batch_size(fixed)
        index = self.seeds.index(seed)
        params, key, data_key = jax.tree.map(
            lambda leaf: leaf[index], (starts.params, starts.key, starts.data_key)
        )

        def order(steps: int) -> np.ndarray | None:
            if batch_size is None or steps == 0:
                return None if batch_size is None else np.zeros((0, batch_size), np.int32)
            epochs = -(-steps // steps_per_epoch(self._rows(), batch_size))
            drawn = host_batches(words(data_key), 0, epochs, self._rows(), batch_size)[:steps]
            return drawn if self._seed_rows is None else self._seed_rows[index][drawn]

        values = {**hyperparameters, **fixed.unread()}
        trainer = self._make_trainer(TrackedHyperparameters(values, self.space, set()))
        task = task_of(self.problem, fixed)
        model_state = task.model_state(trainer, params, self._model_state)

        def score(state: TrainState) -> Array:
            measured = trainer.eval_params(state), trainer.eval_model_state(state)
            own = rows_of(self.eval_data, jnp.int32(index))
            return self._plateau.score(task.evaluate(trainer)(*measured, own))

        return SingleRun(
            trainer, key, params, model_state, self.data, order, score, self._plateau.steps
        )

    def _new_structure_group(
        self, fixed: TrackedHyperparameters, run: TrialRun, eval_data: PyTree
    ) -> StructureGroup:
        starts = self._starts_of(fixed)
        batch_size = self._batch_size(fixed)
        orders = self._orders or Orders(
            starts.data_key, len(self.seeds), self._rows(), batch_size, self.steps, self._seed_rows
        )
        orders.ahead()
        traced = self._trace(fixed, starts, run, eval_data)
        if traced.plateaus:
            check_plateau(self.problem, traced.evaluate.out)
        if traced.whole_data and isinstance(self.problem.data, SeedRows):
            raise ValueError(
                "folds: this trainer draws its own rows from the whole data, of which a fold of a "
                "sweep is a part; take pj.cross_validate for one trial at a time, or folds=None"
            )
        if traced.whole_data and batch_size is not None:
            raise ValueError(
                "batch_size: this trainer draws its own rows at a rate of the whole data; leave "
                f"batch_size out and the data unsplit, got batches of {batch_size} rows"
            )
        shared = Shared(starts.placed(self.mesh), self._model_state, self.data, eval_data)
        return StructureGroup(
            traced, self.space, self.seeds, shared, orders, self.evaluation_steps, mesh=self.mesh,
            plateau=self._plateau,
        )  # fmt: skip

    def _trace(
        self, fixed: TrackedHyperparameters, starts: PendingStarts, run: TrialRun,
        eval_data: PyTree, known: Collection[str] = (),
    ) -> TracedTrainer:  # fmt: skip
        numbers = {n: own[0] for n, own in traced(self.space, [run.hyperparameters]).items()}
        plain = {name: value.item() for name, value in numbers.items() if name in known}
        batch_size = self._batch_size(fixed)
        inputs = Inputs(
            {name: value for name, value in numbers.items() if name not in plain},
            _shapes_of(starts.shapes.key),
            _shapes_of(starts.shapes.params),
            self._model_state,
            self.data if batch_size is None else _shapes_of(self.data, batch_size),
            row_shapes(eval_data),
        )

        def make(numbers: dict[str, Any]) -> Trainer:
            values = {**fixed.unread(), **plain, **numbers}
            return self._make_trainer(TrackedHyperparameters(values, self.space, self.read))

        return trace_trainer(make, task_of(self.problem, fixed), _shapes(inputs))

    def _starts_of(self, fixed: TrackedHyperparameters) -> PendingStarts:
        if isinstance(self._starts, Starts | PendingStarts):
            return PendingStarts.of(self._starts)
        return PendingStarts.of(self._starts(fixed))

    def _batch_size(self, fixed: Hyperparameters) -> int | None:
        """Rows a step; None if every seed reads all of the data."""
        batch_size = rows_a_step(self.problem, fixed)
        return self._rows() if batch_size is None and self._seed_rows is not None else batch_size

    def _key_of(self, fixed: Mapping[str, Any]) -> Any:
        """A hashable key of a structure, whether or not its values are hashable."""

        def key(name: str, value: Any) -> Any:
            drawn = unconditional(self.space[name])
            if isinstance(drawn, Choice):
                return option_index(value, drawn.options)
            return _hashable(value)

        return tuple((name, key(name, v), type(v).__name__) for name, v in fixed.items())

    def _rows(self) -> int:
        """Rows that each seed trains on."""
        if self._seed_rows is not None:
            return int(self._seed_rows.shape[1])
        return len(jax.tree.leaves(self.data)[0])


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


def _shapes_of(tree: PyTree, *count: int) -> PyTree:
    """Shapes of one element of the leading axis, or of `count` elements."""
    shape_of: Any = jax.ShapeDtypeStruct
    return jax.tree.map(lambda leaf: shape_of((*count, *leaf.shape[1:]), leaf.dtype), tree)


def _shapes(tree: PyTree) -> PyTree:
    """Shapes and dtypes as JAX sees them."""
    return jax.eval_shape(lambda same: same, tree)
