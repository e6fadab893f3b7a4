"""Many independent problems in one program of fixed size, whose slots are refilled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._programs import kept_on, owned_jit
from paramjax._types import Array, PyTree
from paramjax.estimate._outcome import Outcome
from paramjax.estimate.solvers._slots import Problems, Slots, problems_of, slots_for
from paramjax.estimate.solvers._solver import Inputs, Solved, Solver, SolverState
from paramjax.populations.planning._guess import cores

_STRAGGLERS = 1 / 4
"""A chunk comes back when no more than this share of its slots still runs."""

Keep = Callable[[SolverState], Array]


def solve_many(
    owner_fn: Callable[..., Any],
    solver: Solver,
    thetas: np.ndarray,
    inputs: Inputs,
    in_axes: PyTree,
    *,
    chunk: int | None = None,
    max_iterations: int = 1000,
    devices: Sequence[jax.Device] | None = None,
    threads: int | None = None,
    dtype: Any = np.float64,
) -> Solved:
    """Solve independent problems, each to its own end.

    A program of a fixed number of slots runs until most of its slots have finished; those come
    back, the others stay where they are, and the next problems take the free slots.

    Args:
        owner_fn: The user's function, which the compiled program hangs on.
        solver: The method; the same object for the same problem, for it is part of the program.
        thetas: Starts, [m, p].
        inputs: What the problems read; leaves that differ have a leading axis [m].
        in_axes: 0 for what differs between problems and None for what they share: a prefix of
            `inputs`, as in `jax.vmap`.
        chunk: Slots of one program; None to fit a core's cache.
        max_iterations: Of one problem.
        devices: To spread the chunks over; None for the default one.
        threads: Host threads of each device; None for one per core of a processor that is the
            only device. A solver that calls LAPACK for many problems at once needs 1: two programs
            that do may wait for each other's threads for ever (jaxlib 0.10).
        dtype: Of the numbers of the program.

    Returns:
        One row per problem, in their order.

    Raises:
        ValueError: If a leaf that differs has another leading axis than the starts.

    Example:
        >>> from paramjax.estimate.solvers import levenberg_marquardt
        >>> rows = lambda theta, data: theta[0] * data["x"] - data["y"]
        >>> x, y = np.array([1.0, 2.0, 3.0]), np.array([[2.0, 4.0, 6.0], [3.0, 6.0, 9.0]])
        >>> found = solve_many(
        ...     rows, levenberg_marquardt(rows), np.ones((2, 1)), Inputs({"x": x, "y": y}),
        ...     Inputs({"x": None, "y": 0}),
        ... )
        >>> found.theta.round(6).tolist()
        [[2.0], [3.0]]
    """
    return solve_and_keep(
        owner_fn, solver, thetas, inputs, in_axes, None, chunk=chunk,
        max_iterations=max_iterations, devices=devices, threads=threads, dtype=dtype,
    )[0]  # fmt: skip


def solve_and_keep(
    owner_fn: Callable[..., Any],
    solver: Solver,
    thetas: np.ndarray,
    inputs: Inputs,
    in_axes: PyTree,
    keep: Keep | None,
    *,
    chunk: int | None = None,
    max_iterations: int = 1000,
    devices: Sequence[jax.Device] | None = None,
    threads: int | None = None,
    dtype: Any = np.float64,
) -> tuple[Solved, np.ndarray]:
    """As `solve_many`; and what `keep(state) -> [k]` is at each problem's end, [m, k]."""
    problems = problems_of(np.asarray(thetas, dtype), inputs, in_axes)
    m, p = problems.thetas.shape
    found = Solved(np.empty((m, p)), np.empty(m), np.zeros(m, np.int8), np.zeros(m, np.int32))
    if not m:
        return found, np.empty((0, 0))
    platform = devices[0].platform if devices else jax.default_backend()
    size = min(chunk or slots_for(problems, platform), -(-m // len(devices or [None])))
    problems = problems if size == m else problems.on_host()
    if threads is None:  # inside a loop XLA runs small operations on one core
        threads = cores() if devices is None and platform == "cpu" else 1
    workers = [device for _ in range(threads) for device in devices or [None]][: -(-m // size)]
    with jax.enable_x64(True):
        idle, width = _idle(owner_fn, solver, keep, problems, size)
    kept = np.empty((m, width))
    program = _advance.of(owner_fn, solver, problems.treedef, problems.is_own, keep)
    work = _Work(problems, found, kept, size, np.int32(max_iterations))
    _run([partial(_solve_slots, work, program, idle, device) for device in workers], work)
    return found, kept


class _Work:
    """The problems that wait, handed out in order to several workers; and what was found."""

    def __init__(
        self,
        problems: Problems,
        found: Solved,
        kept: np.ndarray,
        size: int,
        max_iterations: np.int32,
    ) -> None:
        self.problems, self.found, self.kept = problems, found, kept
        self.size, self.max_iterations = size, max_iterations
        self.stopped = False
        self._next, self._lock = 0, threading.Lock()

    def take(self, at_most: int) -> range:
        """The next problems, by their index."""
        with self._lock:
            begin = self._next
            self._next = min(begin + at_most, len(self.problems.thetas))
        return range(begin, self._next)

    @property
    def exhausted(self) -> bool:
        """Whether no problem waits any more."""
        return self._next == len(self.problems.thetas)

    def write(self, at: np.ndarray, numbers: np.ndarray, counts: np.ndarray) -> None:
        """Write down problems that ended, by their index."""
        p = self.found.theta.shape[1]
        self.found.theta[at], self.found.value[at] = numbers[:, :p], numbers[:, p]
        self.found.outcome[at], self.found.iterations[at] = counts[:, 0], counts[:, 1]
        self.kept[at] = numbers[:, p + 1 :]


def _run(workers: list[Callable[[], None]], work: _Work) -> None:
    """Run all workers; an interrupt or an error of one stops the others after their chunk."""
    if len(workers) == 1:
        return workers[0]()
    with ThreadPoolExecutor(len(workers)) as pool:
        futures = [pool.submit(worker) for worker in workers]
        try:
            for future in futures:
                future.result()
        finally:
            work.stopped = True
    return None


def _idle(
    owner_fn: Callable[..., Any], solver: Solver, keep: Keep | None, problems: Problems, size: int
) -> tuple[SolverState, int]:
    """Slots without a problem, finished, so that no step moves them; and how much is kept."""
    one = [np.asarray(leaf[:1])[0] for leaf in problems.own]
    theta, (inputs, _) = problems.thetas[0], problems.merge(one, problems.shared)
    leaves = [theta, *jax.tree.leaves(inputs)]
    key = (solver, keep, problems.treedef, tuple((x.shape, x.dtype.str) for x in leaves))

    def shapes() -> tuple[SolverState, int]:
        state: SolverState = jax.eval_shape(solver.init, theta, inputs)
        return state, 0 if keep is None else jax.eval_shape(keep, state).shape[0]

    shape, width = kept_on(owner_fn, key, shapes)
    state = jax.tree.map(lambda leaf: np.zeros((size, *leaf.shape), leaf.dtype), shape)
    idle: SolverState = state._replace(outcome=np.full(size, Outcome.CONVERGED.code))
    return idle, width


def _solve_slots(
    work: _Work, program: Callable[..., Any], idle: SolverState, device: jax.Device | None
) -> None:
    """One worker: fill the free slots, advance, collect what ended, until nothing is left."""
    with jax.enable_x64(True), jax.default_device(device):
        slots = Slots(work.problems, work.size)
        shared = [jnp.asarray(leaf) for leaf in work.problems.shared]
        state = idle
        while not work.stopped:
            fresh = slots.fill(work.take(slots.free))
            if slots.empty:
                return
            stragglers = 0 if work.exhausted else int(_STRAGGLERS * work.size)
            limits = np.array([stragglers, work.max_iterations], np.int32)
            state, *report = program(state, fresh, slots.thetas, slots.own, shared, limits)
            numbers, counts = map(np.asarray, report)
            ended = slots.ended((counts[:, 0] != 0) | (counts[:, 1] >= work.max_iterations))
            work.write(slots.release(ended), numbers[ended], counts[ended])


class _Report(NamedTuple):
    """What the host reads after each call: two arrays, for each costs its while."""

    state: SolverState
    numbers: Array
    counts: Array


@owned_jit(static=5)
def _advance(
    owner_fn: Callable[..., Any],
    solver: Solver,
    treedef: Any,
    is_own: tuple[bool, ...],
    keep: Keep | None,
    state: SolverState,
    fresh: Array,
    thetas: Array,
    own: list[Array],
    shared: list[Array],
    limits: Array,
) -> _Report:
    """Start the fresh slots, and step until no more than some of them still run."""
    stragglers, max_iterations = limits
    inputs, axes = Problems(thetas, own, shared, is_own, treedef).merge(own, shared)
    started = jax.vmap(solver.init, (0, axes))(thetas, inputs)
    begun: SolverState = jax.tree.map(partial(_where_row, fresh), started, state)

    def running(state: SolverState) -> Array:
        unfinished = state.outcome == Outcome.UNFINISHED.code
        runs: Array = unfinished & (state.iterations < max_iterations)
        return runs

    def step(state: SolverState) -> SolverState:
        stepped = jax.vmap(solver.step, (0, axes))(state, inputs)
        moved: SolverState = jax.tree.map(partial(_where_row, running(state)), stepped, state)
        return moved

    state = jax.lax.while_loop(lambda s: running(s).sum() > stragglers, step, begun)
    columns = [state.theta, state.value[:, None]]
    columns += [] if keep is None else [jax.vmap(keep)(state)]
    counts = jnp.stack([state.outcome.astype(jnp.int32), state.iterations], axis=1)
    return _Report(state, jnp.concatenate(columns, axis=1), counts)


def _where_row(mask: Array, yes: Array, no: Array) -> Array:
    chosen: Array = jnp.where(mask.reshape(mask.shape + (1,) * (yes.ndim - 1)), yes, no)
    return chosen
