"""Many independent problems in one program of fixed size, whose slots are refilled."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._programs import owned_jit
from paramjax._types import Array, PyTree
from paramjax.estimate._outcome import Outcome
from paramjax.estimate.solvers._solver import Inputs, Solved, Solver, SolverState

_CACHE_BYTES = 2**20
"""The arrays of one chunk of problems stay below this, so that they stay in a core's cache."""

_STRAGGLERS = 1 / 8
"""A chunk comes back when no more than this share of its slots still runs."""


class _Problems(NamedTuple):
    """All problems on the host: leaves that differ between them, and leaves that all share."""

    thetas: np.ndarray
    own: list[np.ndarray]
    shared: list[np.ndarray]
    is_own: tuple[bool, ...]
    treedef: Any


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
) -> Solved:
    """Solve independent problems, each to its own end.

    A program of a fixed number of slots runs until most of its slots have finished; those come
    back, the others stay where they are, and the next problems take the free slots.

    Args:
        owner_fn: The user's function, which the compiled program hangs on.
        solver: The method; the same object for the same problem, for it is part of the program.
        thetas: Starts, float64[m, p].
        inputs: What the problems read; leaves that differ have a leading axis [m].
        in_axes: 0 for what differs between problems and None for what they share: a prefix of
            `inputs`, as in `jax.vmap`.
        chunk: Slots of one program; None to fit a core's cache.
        max_iterations: Of one problem.
        devices: To spread the chunks over; None for the default one.
        threads: Host threads of each device; None for one per core on a CPU.

    Returns:
        One row per problem, in their order.
    """
    problems = _problems(np.asarray(thetas, np.float64), inputs, in_axes)
    found = _empty(*problems.thetas.shape)
    if not len(problems.thetas):
        return found
    slots = min(chunk or _slots(problems), len(problems.thetas))
    program = _advance.of(owner_fn, solver, problems.treedef, problems.is_own)
    workers = _workers(devices, threads)[: -(-len(problems.thetas) // slots)]
    with jax.enable_x64(True):
        idle = _idle(solver, problems, slots)
    work = _Work(problems, found, slots, np.int32(max_iterations))
    _run([partial(_solve_slots, work, program, idle, device) for device in workers], work)
    return found


def _problems(thetas: np.ndarray, inputs: Inputs, in_axes: PyTree) -> _Problems:
    """Leaves of the inputs, apart by whether they differ."""
    axes = jax.tree.map(
        lambda axis, part: jax.tree.map(lambda _: axis == 0 and axis is not None, part),
        in_axes,
        inputs,
        is_leaf=lambda axis: axis is None,
    )
    leaves, treedef = jax.tree.flatten(inputs)
    is_own = tuple(jax.tree.leaves(axes))
    own = [leaf for leaf, differs in zip(leaves, is_own, strict=True) if differs]
    shared = [np.asarray(leaf) for leaf, differs in zip(leaves, is_own, strict=True) if not differs]
    for leaf in own:
        if len(leaf) != len(thetas):
            raise ValueError(
                f"inputs: expected a leading axis of {len(thetas)} problems, got {np.shape(leaf)}"
            )
    return _Problems(thetas, own, shared, is_own, treedef)


def _slots(problems: _Problems) -> int:
    """As many as a core's cache holds: a problem's own rows, its residuals and its Jacobian."""
    p = problems.thetas.shape[1]
    rows = max((int(np.prod(leaf.shape[1:])) for leaf in problems.own), default=1)
    shared = max((leaf.size for leaf in problems.shared), default=1)
    numbers = max(rows, shared if not problems.own else 1) * (p + 3) + p * p + 4 * p
    return int(np.clip(2 ** int(np.log2(max(_CACHE_BYTES // (8 * numbers), 1))), 16, 4096))


def _empty(m: int, p: int) -> Solved:
    return Solved(np.empty((m, p)), np.empty(m), np.zeros(m, np.int8), np.zeros(m, np.int32))


class _Work:
    """The problems that wait, handed out in order to several workers."""

    def __init__(
        self, problems: _Problems, found: Solved, slots: int, max_iterations: np.int32
    ) -> None:
        self.problems, self.found = problems, found
        self.slots, self.max_iterations = slots, max_iterations
        self.stopped = False
        self._next, self._lock = 0, threading.Lock()

    def take(self, at_most: int) -> np.ndarray:
        """The next problems, by their index."""
        with self._lock:
            begin = self._next
            self._next = min(begin + at_most, len(self.problems.thetas))
        return np.arange(begin, self._next)

    @property
    def exhausted(self) -> bool:
        """Whether no problem waits any more."""
        return self._next == len(self.problems.thetas)


def _workers(devices: Sequence[jax.Device] | None, threads: int | None) -> list[jax.Device | None]:
    """One device for each host thread, None for the default one.

    Inside a loop XLA runs small operations on one core, so each core gets a thread of its own.
    """
    on_cpu = jax.default_backend() == "cpu" and devices is None
    each = threads or (len(os.sched_getaffinity(0)) if on_cpu else 1)
    return [device for device in (devices or [None]) for _ in range(each)]


def _run(workers: list[Callable[[], None]], work: _Work) -> None:
    """Run all workers; an interrupt or an error of one stops the others after their chunk."""
    with ThreadPoolExecutor(len(workers)) as pool:
        futures = [pool.submit(worker) for worker in workers]
        try:
            for future in futures:
                future.result()
        finally:
            work.stopped = True


def _idle(solver: Solver, problems: _Problems, slots: int) -> SolverState:
    """Slots without a problem: finished, so that no step moves them."""
    first = [leaf[:slots] for leaf in problems.own]
    axes = jax.tree.unflatten(problems.treedef, [0 if d else None for d in problems.is_own])
    inputs = _merge(problems.treedef, problems.is_own, first, problems.shared)
    shapes = jax.eval_shape(jax.vmap(solver.init, (0, axes)), problems.thetas[:slots], inputs)
    state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    idle: SolverState = state._replace(outcome=np.full(slots, Outcome.CONVERGED.code))
    return idle


def _solve_slots(
    work: _Work, program: Callable[..., SolverState], idle: SolverState, device: jax.Device | None
) -> None:
    """One worker: fill the free slots, advance, collect what finished, until nothing is left."""
    problems, slots = work.problems, work.slots
    thetas = np.array(problems.thetas[:slots])
    own = [np.array(leaf[:slots]) for leaf in problems.own]
    slot = np.full(slots, -1)
    with jax.enable_x64(True), jax.default_device(device):
        shared = [jnp.asarray(leaf) for leaf in problems.shared]
        state = idle
        while not work.stopped:
            fresh = _fill(work, slot, thetas, own)
            if (slot < 0).all():
                return
            stragglers = 0 if work.exhausted else int(_STRAGGLERS * slots)
            state = program(
                state, fresh, thetas, own, shared, np.int32(stragglers), work.max_iterations
            )
            _collect(work, slot, state)


def _fill(work: _Work, slot: np.ndarray, thetas: np.ndarray, own: list[np.ndarray]) -> np.ndarray:
    """Put the next problems into the free slots; which those are, bool[slots]."""
    free = np.flatnonzero(slot < 0)
    taken = work.take(len(free))
    free = free[: len(taken)]
    slot[free] = taken
    thetas[free] = work.problems.thetas[taken]
    for buffer, leaf in zip(own, work.problems.own, strict=True):
        buffer[free] = leaf[taken]
    fresh = np.zeros(len(slot), bool)
    fresh[free] = True
    return fresh


def _collect(work: _Work, slot: np.ndarray, state: SolverState) -> None:
    """Write down the problems that finished, and free their slots."""
    outcome, iterations = np.asarray(state.outcome), np.asarray(state.iterations)
    ended = (outcome != Outcome.UNFINISHED.code) | (iterations >= work.max_iterations)
    done = np.flatnonzero((slot >= 0) & ended)
    at, found = slot[done], work.found
    found.theta[at] = np.asarray(state.theta)[done]
    found.value[at] = np.asarray(state.value)[done]
    found.outcome[at], found.iterations[at] = outcome[done], iterations[done]
    slot[done] = -1


@owned_jit(static=4)
def _advance(
    owner_fn: Callable[..., Any],
    solver: Solver,
    treedef: Any,
    is_own: tuple[bool, ...],
    state: SolverState,
    fresh: Array,
    thetas: Array,
    own: list[Array],
    shared: list[Array],
    stragglers: Array,
    max_iterations: Array,
) -> SolverState:
    """Start the fresh slots, and step until no more than `stragglers` of them still run."""
    axes = jax.tree.unflatten(treedef, [0 if differs else None for differs in is_own])
    inputs = _merge(treedef, is_own, own, shared)
    started = jax.vmap(solver.init, (0, axes))(thetas, inputs)
    begun: SolverState = jax.tree.map(partial(_where_row, fresh), started, state)

    def running(state: SolverState) -> Array:
        unfinished = state.outcome == Outcome.UNFINISHED.code
        return unfinished & (state.iterations < max_iterations)

    def step(state: SolverState) -> SolverState:
        stepped = jax.vmap(solver.step, (0, axes))(state, inputs)
        moved: SolverState = jax.tree.map(partial(_where_row, running(state)), stepped, state)
        return moved

    ended: SolverState = jax.lax.while_loop(lambda s: running(s).sum() > stragglers, step, begun)
    return ended


def _where_row(mask: Array, yes: Array, no: Array) -> Array:
    return jnp.where(mask.reshape(mask.shape + (1,) * (yes.ndim - 1)), yes, no)


def _merge(treedef: Any, is_own: tuple[bool, ...], own: list[Any], shared: list[Any]) -> Any:
    mine, common = iter(own), iter(shared)
    return jax.tree.unflatten(treedef, [next(mine if differs else common) for differs in is_own])
