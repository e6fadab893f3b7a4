"""The runs of one structure: one traced trainer, and its programs of each width."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from paramjax._types import PyTree
from paramjax.populations._devices import fetched, placed
from paramjax.populations._execution import Layout
from paramjax.populations._mapped_loop import Carry
from paramjax.populations._orders import Orders
from paramjax.populations._outcome import ChunkResult, cut
from paramjax.populations._programs import Programs, Shared
from paramjax.populations._traced_trainer import TracedTrainer
from paramjax.populations._trial_run import TrialRun, longest, segments
from paramjax.space._distribution import Space
from paramjax.space._tracing import traced


class StructureGroup:
    """Trains runs of one structure; safe to use from several threads."""

    def __init__(
        self, traced: TracedTrainer, space: Space, seeds: Sequence[int], shared: Shared,
        orders: Orders, evaluation_steps: Sequence[int], *, mesh: Mesh | None = None,
    ) -> None:  # fmt: skip
        self.traced, self.orders, self.shared, self.mesh = traced, orders, shared, mesh
        self._space = space
        self._seed_index = {seed: index for index, seed in enumerate(seeds)}
        self._evaluation_steps = tuple(evaluation_steps)
        self._ends = sorted({*evaluation_steps, *orders.ends})
        self._programs: dict[int, Programs] = {}
        self._lock = threading.Lock()

    @property
    def devices(self) -> int:
        """Number of devices."""
        return 1 if self.mesh is None else self.mesh.size

    def programs(self, width: int) -> Programs:
        """The programs of one width, compiled or not."""
        with self._lock:
            if width not in self._programs:
                self._programs[width] = Programs(
                    self.traced, self.shared, self.orders, width, longest(self._ends), self.mesh
                )
            return self._programs[width]

    def compile(self, run: TrialRun, layout: Layout) -> Programs:
        """Compile the programs of a layout, unless they are compiled already."""
        programs = self.programs(layout.width)
        numbers = traced(self._space, [run.hyperparameters] * programs.runs)
        programs.compile(numbers, stepwise=layout.stepwise)
        return programs

    def prepare(self) -> None:
        """Compute what all runs read: their starts and the first block of their orders."""
        self.shared.starts.made()
        self.orders.block(0)

    def train(
        self, runs: Sequence[TrialRun], layout: Layout, *,
        eval_data: PyTree = None, first: int = 0, end: int | None = None,
        resume_state: PyTree = None, last: bool = True,
    ) -> ChunkResult:  # fmt: skip
        """Train a chunk of runs from step `first` to `end`; `last` ends them there."""
        eval_data = self.shared.eval_data if eval_data is None else eval_data
        programs = self.compile(runs[0], layout)
        padded, numbers, seed_index = self._filled(runs, programs.runs)
        if resume_state is None:
            carry = programs.begin(numbers, seed_index)
        else:
            carry = self._resumed(resume_state, len(padded))
        ways = segments([e for e in self._ends if e <= (end or self._ends[-1])], first)
        history, curve, spent = [], [], []
        for start, stop in ways:
            carry, reported, measured, computed = programs.advance(
                numbers, carry, seed_index, start, stop - start, eval_data, stepwise=layout.stepwise
            )
            history.append(reported)
            spent.append(computed)
            if stop in self._evaluation_steps:
                curve.append(measured)
        params = programs.params(numbers, carry)
        rest = (carry.alive, carry.steps) if last else carry
        history, curve, spent, params, rest = fetched(
            (history, curve, spent, params, rest), self.mesh
        )
        chunk = ChunkResult(
            padded,
            tuple(point for point in self._evaluation_steps if first < point <= ways[-1][1]),
            _along(history, [stop - start for start, stop in ways]),
            _stacked(curve, self.traced.evaluate.out if curve else ()),
            rest[-2],
            rest[-1],
            np.stack(spent).astype(np.int64).sum(axis=0),
            params,
            None if last else rest,
        )
        return cut(chunk, len(runs))

    def rehearse(self, runs: Sequence[TrialRun], layout: Layout, count: int) -> None:
        """Train some runs for some steps and discard the result, to measure the time."""
        programs = self.compile(runs[0], layout)
        _, numbers, seed_index = self._filled(runs, programs.runs)
        carry = programs.begin(numbers, seed_index)
        carry, *_ = programs.advance(
            numbers, carry, seed_index, 0, count, self.shared.eval_data, stepwise=layout.stepwise
        )
        wait: Any = jax.block_until_ready
        wait(carry)

    def _filled(
        self, runs: Sequence[TrialRun], count: int
    ) -> tuple[list[TrialRun], Any, np.ndarray]:
        """The runs of a whole call, the last one repeated; their numbers, their seed indices."""
        padded = [*runs, *[runs[-1]] * (count - len(runs))]
        numbers = traced(self._space, [run.hyperparameters for run in padded])
        return padded, numbers, np.array([self._seed_index[run.seed] for run in padded], np.int32)

    def _resumed(self, resume_state: Carry, count: int) -> Carry:
        """The carry of fetched runs on the devices again, the last run repeated."""
        rest = count - len(resume_state.alive)

        def filled(leaf: Any) -> Any:
            return jnp.concatenate([leaf, *[leaf[-1:]] * rest])

        carry: Carry = placed(jax.tree.map(filled, resume_state), self.mesh, split=True)
        return carry


def _along(history: list[dict[str, np.ndarray]], lengths: list[int]) -> dict[str, np.ndarray]:
    """The metrics of consecutive segments, [runs, steps], without the unused end of each."""
    return {
        name: np.concatenate(
            [own[name][:, :n] for own, n in zip(history, lengths, strict=True)], axis=1
        )
        for name in history[0]
    }


def _stacked(curve: list[dict[str, np.ndarray]], names: Iterable[str]) -> dict[str, np.ndarray]:
    """The metrics of the evaluations, [runs, evaluations]."""
    return {name: np.stack([own[name] for own in curve], axis=1) for name in names}
