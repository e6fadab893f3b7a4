"""The runs of one structure: one traced trainer, and its programs of each width."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from paramjax._arrays import by_numpy
from paramjax._types import PyTree
from paramjax.populations._devices import fetched, placed
from paramjax.populations._execution import Layout
from paramjax.populations._functions import Plateau
from paramjax.populations._mapped_loop import Carry
from paramjax.populations._orders import Orders
from paramjax.populations._outcome import ChunkResult, blanked, cut, finite_runs, replaced
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
        plateau: Plateau | None = None,
    ) -> None:  # fmt: skip
        self.traced, self.orders, self.shared, self.mesh = traced, orders, shared, mesh
        self._plateau = plateau if traced.plateaus else None
        self._space = space
        self._seed_index = {seed: index for index, seed in enumerate(seeds)}
        self._evaluation_steps = tuple(evaluation_steps)
        self._ends = sorted({*evaluation_steps, *orders.ends})
        self._programs: dict[tuple[int, bool], Programs] = {}
        self._lock = threading.Lock()

    @property
    def devices(self) -> int:
        """Number of devices."""
        return 1 if self.mesh is None else self.mesh.size

    def programs(self, width: int, *, careful: bool = False) -> Programs:
        """The programs of one width, compiled or not; careful ones look at the parameters."""
        with self._lock:
            if (width, careful) not in self._programs:
                self._programs[width, careful] = Programs(
                    self.traced._replace(careful=careful), self.shared, self.orders, width,
                    longest(self._ends), self.mesh, self._plateau,
                )  # fmt: skip
            return self._programs[width, careful]

    def compile(self, run: TrialRun, layout: Layout, *, careful: bool = False) -> Programs:
        """Compile the programs of a layout, unless they are compiled already."""
        programs = self.programs(layout.width, careful=careful)
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
        """Train a chunk of runs from step `first` to `end`; `last` ends them there.

        Parameters that are not finite in the end may come from a step with a finite loss and
        gradient. Such runs are trained again by programs that look at them after each step, so
        that all others need not pay for it.
        """
        eval_data = self.shared.eval_data if eval_data is None else eval_data

        def trained(*, careful: bool) -> ChunkResult:
            return self._trained(
                runs, layout, eval_data, first, end, resume_state, last, careful=careful
            )

        chunk = trained(careful=False)
        broken = ~finite_runs(chunk.params, len(runs))
        return replaced(chunk, trained(careful=True), broken) if broken.any() else chunk

    def _trained(
        self, runs: Sequence[TrialRun], layout: Layout, eval_data: PyTree, first: int,
        end: int | None, resume_state: PyTree, last: bool, *, careful: bool,
    ) -> ChunkResult:  # fmt: skip
        programs = self.compile(runs[0], layout, careful=careful)
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
            if self._plateau is not None and stop in self._plateau.steps:
                carry = programs.tell(carry, measured)
        kept = programs.kept(numbers, carry)
        rest = (carry.alive, carry.steps) if last else carry
        history, curve, spent, kept, rest = fetched((history, curve, spent, kept, rest), self.mesh)
        alive, steps = rest[-2:]
        whole = _along(history, [stop - start for start, stop in ways])
        # of the step that lost a run its metrics are known
        ends = np.where(alive, ways[-1][1], steps + 1) - first
        chunk = ChunkResult(
            padded,
            tuple(point for point in self._evaluation_steps if first < point <= ways[-1][1]),
            blanked(whole, ends),
            _stacked(curve, self.traced.evaluate.out if curve else ()),
            alive,
            steps,
            np.stack(spent).astype(np.int64).sum(axis=0),
            kept[0],
            kept[1],
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
        runs = np.minimum(np.arange(count), len(resume_state.alive) - 1)
        # in memory of its own: the programs take it over, and careful ones may need it again
        own = by_numpy(lambda leaf: leaf[runs], resume_state)
        carry: Carry = placed(own, self.mesh, split=True)
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
