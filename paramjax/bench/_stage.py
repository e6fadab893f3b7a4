"""A workload that is ready to train on: its data on the device, its splits, its starts."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from paramjax._checks import describe
from paramjax._hashes import checksums, content_hash
from paramjax._types import PyTree
from paramjax.bench._protocol import Protocol
from paramjax.bench._splits import Splits, make_splits
from paramjax.bench.workloads import Workload
from paramjax.populations import Problem, SeedRows
from paramjax.populations._problem import evaluation, needs_structure
from paramjax.populations._seed_rows import rows_of
from paramjax.populations._starts import PendingStarts, pending_starts


class Stage(NamedTuple):
    """A workload that is ready to train on.

    Attributes:
        workload: The workload, with its arrays.
        splits: The rows of each replicate.
        starts: Initial parameters and keys of all seeds, shared by every optimizer.
        protocol: The rules.
        replicates: Most replicates that will be trained.
    """

    workload: Workload
    splits: Splits
    starts: PendingStarts
    protocol: Protocol
    replicates: int

    @property
    def seeds(self) -> range:
        """The seeds of all replicates."""
        return range(self.replicates * self.protocol.seeds)

    @property
    def problem(self) -> Problem:
        """The training problem, judged on the validation rows of each seed."""
        own = self.workload
        return Problem(
            init=own.init, data=self._rows(self.splits.data, self.splits.train),
            batch_size=own.batch_size, evaluate=own.evaluate,
            eval_data=self._rows(self.splits.eval_data, self.splits.validation),
            model_state=own.model_state, stateful=own.stateful,
            metric=own.metric, maximise=own.maximise,
        )  # fmt: skip

    @property
    def test_data(self) -> SeedRows:
        """The test rows of each seed."""
        return self._rows(self.splits.eval_data, self.splits.test)

    def first_batch(self) -> PyTree:
        """A batch of training rows of the first seed."""
        size = self.workload.batch_size
        rows = self.splits.train[0][: size if isinstance(size, int) else None]
        return jax.tree.map(lambda leaf: np.asarray(leaf)[rows], self.splits.data)

    def _rows(self, data: PyTree, part: np.ndarray) -> SeedRows:
        return self.splits.of_seeds(data, part, self.protocol.seeds)


def make_stage(workload: Workload, protocol: Protocol, replicates: int) -> Stage:
    """Load and check the data, draw the splits, and trace the initialisation of all seeds.

    Raises:
        TypeError: If the initial parameters depend on hyperparameters.
        ValueError: If the data cannot be trained on or split.
    """
    workload = workload.loaded()
    if needs_structure(workload.init, 1):
        raise TypeError(
            f"{workload.name}: init: expected a function (key) -> params, the same for every "
            f"optimizer, got {describe(workload.init)} with more arguments"
        )
    splits = make_splits(workload, protocol.keyed("splits"), replicates)
    splits = splits._replace(
        data=(data := jax.device_put(splits.data)),
        eval_data=data if splits.eval_data is workload.data else jax.device_put(splits.eval_data),
    )
    seeds = range(replicates * protocol.seeds)
    starts = pending_starts(workload.init, protocol.keyed("starts"), seeds)
    return Stage(workload, splits, starts, protocol, replicates)


def data_hash(stage: Stage) -> str:
    """A hash of the data and of how they are read."""
    own, splits = stage.workload, stage.splits
    # the rows of the first replicates do not depend on the number of all
    rows = [part[0] for part in (splits.train, splits.validation, splits.test)]
    sums = checksums("", (splits.data, splits.eval_data, rows))
    return content_hash(f"{own.metric} {own.maximise} {own.batch_size} {sums}")[:16]


def untrained(stage: Stage) -> list[float]:
    """The test metric of the untrained parameters of each replicate, mean over its seeds."""
    own, protocol = stage.workload, stage.protocol
    measure, starts = evaluation(own, {}), stage.starts.made()
    test = stage.test_data

    def one(inputs: tuple[Any, Any]) -> Any:
        params, index = inputs
        return measure(params, own.model_state, rows_of(test, index))[own.metric]

    seeds = np.array([list(protocol.report_seed_numbers(k)) for k in range(stage.replicates)])
    params = jax.tree.map(lambda leaf: leaf[seeds.ravel()], starts.params)
    values = jax.jit(lambda *inputs: jax.lax.map(one, inputs))(params, seeds.ravel())
    means: list[float] = np.asarray(values, np.float64).reshape(seeds.shape).mean(axis=1).tolist()
    return means
