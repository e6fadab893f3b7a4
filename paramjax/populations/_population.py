"""Many trainings of one kind, with their numeric hyperparameters traced."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from paramjax._types import Array, Hyperparameters, Key, Metrics, ModelState, Params, PyTree
from paramjax.data._sampler import batch_order
from paramjax.populations._chunk_result import ChunkResult
from paramjax.populations._devices import placed
from paramjax.populations._layout import Layout
from paramjax.populations._orders import Orders
from paramjax.populations._problem import Problem
from paramjax.populations._programs import Shared
from paramjax.populations._segments import evaluation_steps
from paramjax.populations._starts import PendingStarts, Starts
from paramjax.populations._structure_group import StructureGroup
from paramjax.populations._traced_trainer import Inputs, TracedTrainer, trace_trainer
from paramjax.populations._tracked import TrackedHyperparameters
from paramjax.populations._trial_run import TrialRun
from paramjax.runs._validator import as_metrics
from paramjax.space._distribution import Space
from paramjax.space._tracing import structure, traced
from paramjax.step._state import Trainer

MakeTrainer = Callable[[Hyperparameters], Trainer]
"""`(hyperparameters) -> Trainer`, called while the population is traced."""


class SingleRun(NamedTuple):
    """What one run is made of, to be trained by itself.

    Attributes:
        trainer: Made of plain numbers.
        key: Key of its state.
        params: Initial parameters.
        model_state: What a stateful model starts with.
        data: Training data, leaves [rows, ...].
        order: `(steps) -> int32[steps, batch]`, None where each step takes all rows.
    """

    trainer: Trainer
    key: Key
    params: Params
    model_state: ModelState
    data: PyTree
    order: Callable[[int], Array | None]


class Population:
    """Trainings of one kind; each structure among the hyperparameters is traced once.

    Args:
        make_trainer: `(hyperparameters) -> Trainer`.
        space: Tells which hyperparameters are structure and which are traced.
        problem: What is learned, from what, and what is measured; its `init` is not called.
        starts: Initial parameters and keys of the seeds, made or to be made, or
            `(structure) -> starts` where they depend on the structure.
        seeds: The seeds in the order of `starts`.
        steps: Steps of each run.
        evaluations: How often to evaluate, evenly spaced, the last time at the end.
        rungs: Steps after which they are evaluated besides, and may be taken up again.
        mesh: The devices; None for the default one.

    Attributes:
        data: The training data, on the devices.
        eval_data: What `evaluate` is given, on the devices.
        read: Names of the hyperparameters that a user's function has read so far.

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
    ) -> None:
        self.space, self.seeds, self.steps, self.mesh = space, list(seeds), steps, mesh
        self.problem = problem
        self.evaluation_steps = sorted({*evaluation_steps(steps, evaluations), *rungs})
        self._make_trainer, self._starts = make_trainer, starts
        arrays = jax.tree.map(jnp.asarray, (problem.model_state, problem.data))
        self._model_state, self.data = placed(arrays, mesh, split=False)
        self.eval_data = placed(problem.eval_data, mesh, split=False)
        self.read: set[str] = set()
        self._structure_groups: dict[Any, StructureGroup] = {}
        self._lock = threading.Lock()

    def groups(self, runs: Sequence[TrialRun]) -> list[list[TrialRun]]:
        """The runs of each structure, in the order in which structures come.

        Args:
            runs: Any runs.
        """
        groups: dict[Any, list[TrialRun]] = {}
        for run in runs:
            groups.setdefault(_key_of(structure(self.space, run.hyperparameters)), []).append(run)
        return list(groups.values())

    def chunks(self, runs: Sequence[TrialRun], layout: Layout) -> list[list[TrialRun]]:
        """Cut runs into calls of one structure.

        Args:
            runs: Any runs.
            layout: Says how many a call trains.
        """
        width = layout.width * (1 if self.mesh is None else self.mesh.size)
        return [
            group[start : start + width]
            for group in self.groups(runs)
            for start in range(0, len(group), width)
        ]

    def structure_group(self, run: TrialRun, eval_data: PyTree = None) -> StructureGroup:
        """The runs of one structure, traced when first asked for.

        Args:
            run: One of them.
            eval_data: What `evaluate` is given instead of the problem's evaluation data.

        Raises:
            TypeError: See `trace_trainer`.
            ValueError: See `trace_trainer`; and if a batch is larger than the data.
        """
        eval_data = self.eval_data if eval_data is None else eval_data
        forms = jax.tree.map(lambda leaf: (jnp.shape(leaf), jnp.result_type(leaf)), eval_data)
        fixed = structure(self.space, run.hyperparameters)
        which = (_key_of(fixed), str(forms))
        with self._lock:
            if which not in self._structure_groups:
                noted = TrackedHyperparameters(fixed, self.space, self.read)
                self._structure_groups[which] = self._new_structure_group(noted, run, eval_data)
            return self._structure_groups[which]

    def train(
        self, chunk: Sequence[TrialRun], layout: Layout, eval_data: PyTree = None, **between: Any
    ) -> ChunkResult:
        """Train one chunk.

        Args:
            chunk: Runs of one structure, no more than a call has.
            layout: How they are laid out.
            eval_data: What `evaluate` is given instead of the problem's evaluation data.
            between: `first`, `end`, `resume_state` and `last` of `StructureGroup.train`.

        Returns:
            What came of them.
        """
        if eval_data is not None:
            eval_data = placed(eval_data, self.mesh, split=False)
        return self.structure_group(chunk[0], eval_data).train(
            chunk, layout, eval_data=eval_data, **between
        )

    def traces(self, run: TrialRun, known: set[str]) -> bool:
        """Whether the trainer of a run can be traced if it is told some numbers.

        Args:
            run: The run.
            known: Names of the numbers it is told.
        """
        fixed = TrackedHyperparameters(
            structure(self.space, run.hyperparameters), self.space, set()
        )
        try:
            self._trace(fixed, self._starts_of(fixed), run, self.eval_data, known)
        except (TypeError, ValueError):
            return False
        return True

    def single(self, seed: int, hyperparameters: dict[str, Any]) -> SingleRun:
        """What one run is made of.

        Args:
            seed: Its seed.
            hyperparameters: Name -> value.
        """
        fixed = TrackedHyperparameters(structure(self.space, hyperparameters), self.space, set())
        starts, batch_size = self._starts_of(fixed).made(), self._batch_of(fixed)
        params, key, data_key = jax.tree.map(
            lambda leaf: leaf[self.seeds.index(seed)], (starts.params, starts.key, starts.data_key)
        )

        def order(steps: int) -> Array | None:
            if batch_size is None or steps == 0:
                return None if batch_size is None else jnp.zeros((0, batch_size), jnp.int32)
            return batch_order(data_key, self._rows(), batch_size, steps)

        trainer = self._make_trainer(TrackedHyperparameters(hyperparameters, self.space, set()))
        return SingleRun(trainer, key, params, self._model_state, self.data, order)

    def _new_structure_group(
        self, fixed: TrackedHyperparameters, run: TrialRun, eval_data: PyTree
    ) -> StructureGroup:
        starts = self._starts_of(fixed)
        batch_size = self._batch_of(fixed)
        seeds = len(self.seeds)
        orders = Orders(lambda: starts.made().data_key, seeds, self._rows(), batch_size, self.steps)
        traced = self._trace(fixed, starts, run, eval_data)
        if traced.whole_data and batch_size is not None:
            raise ValueError(
                "batch_size: this trainer draws its own rows at a rate of the whole data; leave "
                f"batch_size out, got {batch_size}"
            )
        there = PendingStarts(lambda: placed(starts.made(), self.mesh, split=False), starts.shapes)
        shared = Shared(there, self._model_state, self.data, eval_data)
        return StructureGroup(
            traced, self.space, self.seeds, shared, orders, self.evaluation_steps, mesh=self.mesh
        )

    def _trace(
        self, fixed: TrackedHyperparameters, starts: PendingStarts, run: TrialRun,
        eval_data: PyTree, known: Collection[str] = (),
    ) -> TracedTrainer:  # fmt: skip
        numbers = _one(traced(self.space, [run.hyperparameters]))
        told = {name: value.item() for name, value in numbers.items() if name in known}
        batch_size = self._batch_of(fixed)
        inputs = Inputs(
            {name: value for name, value in numbers.items() if name not in told},
            _shapes_of(starts.shapes.key),
            _shapes_of(starts.shapes.params),
            self._model_state,
            self.data if batch_size is None else _shapes_of(self.data, batch_size),
            eval_data,
        )

        def make(numbers: dict[str, Any]) -> Trainer:
            values = {**fixed.unread(), **told, **numbers}
            return self._make_trainer(TrackedHyperparameters(values, self.space, self.read))

        return trace_trainer(make, self._evaluation(fixed), _shapes(inputs))

    def _starts_of(self, fixed: TrackedHyperparameters) -> PendingStarts:
        if isinstance(self._starts, Starts | PendingStarts):
            return PendingStarts.of(self._starts)
        return PendingStarts.of(self._starts(fixed))

    def _batch_of(self, fixed: TrackedHyperparameters) -> int | None:
        batch_size = self.problem.batch_size
        return batch_size(fixed) if callable(batch_size) else batch_size

    def _rows(self) -> int:
        return len(jax.tree.leaves(self.data)[0])

    def _evaluation(self, fixed: dict[str, Any]) -> Callable[..., Metrics]:
        """`(params, model_state, data) -> metrics`."""
        evaluate, stateful = self.problem.evaluate, self.problem.stateful
        if evaluate is None:
            return lambda params, model_state, data: {}
        measure = with_structure(evaluate, fixed, 3 if stateful else 2)
        if stateful:
            return lambda params, model_state, data: as_metrics(measure(params, model_state, data))
        return lambda params, model_state, data: as_metrics(measure(params, data))


def with_structure(
    function: Callable[..., Any], fixed: Hyperparameters, inputs: int
) -> Callable[..., Any]:
    """Give a function the structural hyperparameters, if it takes one argument more."""
    if not needs_structure(function, inputs):
        return function
    return lambda *args: function(*args, fixed)


def needs_structure(function: Callable[..., Any], inputs: int) -> bool:
    """Whether a function takes one argument more than the inputs that it always gets."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in parameters if p.kind in positional and p.default is p.empty]
    return len(needed) == inputs + 1


def _key_of(fixed: dict[str, Any]) -> Any:
    """What tells a structure from others, whether or not its values can be hashed."""
    return tuple((name, _hashable(value), type(value).__name__) for name, value in fixed.items())


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


def _one(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: leaf[0], tree)


def _shapes_of(tree: PyTree, *count: int) -> PyTree:
    """Shapes of one element of the leading axis, or of so many."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((*count, *leaf.shape[1:]), leaf.dtype), tree
    )


def _shapes(tree: PyTree) -> PyTree:
    """Shapes and dtypes alone, as JAX sees them."""
    return jax.eval_shape(lambda same: same, tree)
