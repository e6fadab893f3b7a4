"""A workload that is ready to train on: its data on the device, its splits, its starts."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._hashes import checksums, content_hash, program_hash
from paramjax._types import Array, Params, PyTree
from paramjax.bench._protocol import Protocol
from paramjax.bench._splits import Splits, make_splits
from paramjax.bench.workloads import Workload
from paramjax.populations import Problem, SeedRows
from paramjax.populations._orders import Orders
from paramjax.populations._problem import evaluation
from paramjax.populations._seed_rows import rows_of
from paramjax.populations._starts import PendingStarts, pending_starts

WINDOW = 24
"""Replicates whose starts and orders of batches are in memory together."""


class Window(NamedTuple):
    """Some consecutive replicates, which train as one population.

    Attributes:
        replicates: Their numbers.
        seeds: Their seeds.
        starts: Initial parameters and keys of the seeds, shared by every optimizer.
        orders: The orders of batches of the seeds, shared likewise.
        problem: The training problem, judged on the validation rows of each seed.
        test_data: The test rows of each seed.
    """

    replicates: range
    seeds: range
    starts: PendingStarts
    orders: Orders
    problem: Problem
    test_data: SeedRows


class Stage(NamedTuple):
    """A workload that is ready to train on.

    Attributes:
        workload: The workload, with its arrays.
        splits: The rows of each replicate.
        windows: All replicates.
        protocol: The rules.
    """

    workload: Workload
    splits: Splits
    windows: list[Window]
    protocol: Protocol

    @property
    def replicates(self) -> int:
        """Most replicates that will be trained."""
        return self.windows[-1].replicates.stop

    @property
    def params(self) -> PyTree:
        """Shapes of the parameters of one seed."""
        every = self.windows[0].starts.shapes.params
        return jax.eval_shape(lambda all: jax.tree.map(lambda leaf: leaf[0], all), every)

    def first_batch(self) -> PyTree:
        """A batch of training rows of the first seed."""
        train = self.splits.train[0]
        rows = train[: _batch_size(self.workload, len(train))]
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], self.splits.data)


def make_stage(workload: Workload, protocol: Protocol, replicates: int) -> Stage:
    """Load and check the data, draw the splits, and trace the initialisation of all seeds.

    Raises:
        TypeError: If the data are not numeric.
        ValueError: If the data cannot be trained on or split.
    """
    workload = workload.loaded()
    workload.check()
    key = protocol.keyed("splits")
    splits = make_splits(workload, key, replicates, fixed=protocol.fixed_split)
    splits = splits._replace(
        data=(data := jax.device_put(splits.data)),
        eval_data=data if splits.eval_data is workload.data else jax.device_put(splits.eval_data),
    )
    windows = [
        _window(workload, splits, protocol, range(first, min(first + WINDOW, replicates)))
        for first in range(0, replicates, WINDOW)
    ]
    return Stage(workload, splits, windows, protocol)


def data_hash(stage: Stage) -> str:
    """A hash of the data and of how they are read."""
    own, splits = stage.workload, stage.splits
    # the rows of the first replicates do not depend on the number of all
    rows = [part[0] for part in (splits.train, splits.validation, splits.test)]
    sums = checksums("", (splits.data, splits.eval_data, rows))
    return content_hash(f"{own.metric} {own.maximise} {own.batch_size} {sums}")[:16]


def workload_hash(stage: Stage) -> str:
    """A hash of what the initialisation, the loss and the evaluation compute."""
    own, key, params = stage.workload, jax.random.key(0), stage.params
    model_state = own.model_state_of(params)
    states = (model_state,) if own.stateful else ()
    batch = stage.first_batch()
    made = [jax.make_jaxpr(own.model_state)(params)] if callable(own.model_state) else []
    programs = (
        jax.make_jaxpr(own.init)(key),
        *made,
        jax.make_jaxpr(own.loss_fn)(params, *states, batch, key),
        jax.make_jaxpr(evaluation(own, {}))(params, model_state, batch),
    )
    return program_hash(*programs)[:16]


def untrained(stage: Stage) -> list[float]:
    """The test metric of the untrained parameters of each replicate, mean over its seeds."""
    own = stage.workload
    measure = evaluation(own, {})

    @jax.jit
    def values(params: Params, index: Array, test: SeedRows) -> Array:
        def one(inputs: tuple[Params, Array]) -> Array:
            model_state = own.model_state_of(inputs[0])
            measured = measure(inputs[0], model_state, rows_of(test, inputs[1]))
            return jnp.asarray(measured[own.metric])

        found: Array = jax.lax.map(one, (params, index))
        return found

    means: list[float] = []
    for window in stage.windows:
        first, params = window.seeds.start, window.starts.made().params
        seeds = np.array([list(stage.protocol.report_seed_numbers(k)) for k in window.replicates])
        index = (seeds - first).ravel()
        found = values(jax.tree.map(lambda leaf: leaf[index], params), index, window.test_data)  # noqa: B023
        means += np.asarray(found, np.float64).reshape(seeds.shape).mean(axis=1).tolist()
    return means


def _window(workload: Workload, splits: Splits, protocol: Protocol, replicates: range) -> Window:
    seeds = range(replicates.start * protocol.seeds, replicates.stop * protocol.seeds)
    part = slice(replicates.start, replicates.stop)

    def rows(data: PyTree, own: np.ndarray) -> SeedRows:
        return SeedRows(data, jnp.asarray(np.repeat(own[part], protocol.seeds, axis=0), jnp.int32))

    problem = Problem(
        init=workload.init, data=rows(splits.data, splits.train), batch_size=workload.batch_size,
        evaluate=workload.evaluate, eval_data=rows(splits.eval_data, splits.validation),
        model_state=workload.model_state, stateful=workload.stateful,
        metric=workload.metric, maximise=workload.maximise,
    )  # fmt: skip
    starts = pending_starts(workload.init, protocol.keyed("starts"), seeds)
    train = problem.data.rows
    orders = Orders(
        starts.data_key, len(seeds), train.shape[1],
        _batch_size(workload, train.shape[1]), protocol.steps, train,
    )  # fmt: skip
    test = rows(splits.eval_data, splits.test)
    return Window(replicates, seeds, starts, orders, problem, test)


def _batch_size(workload: Workload, rows: int) -> int:
    """Rows of one step."""
    return workload.batch_size if isinstance(workload.batch_size, int) else rows
