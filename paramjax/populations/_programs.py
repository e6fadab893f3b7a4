"""The compiled programs of one structure at one width."""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from paramjax._choices import sharing_cores
from paramjax._jaxprs import runs_uncompiled
from paramjax._threads import workers
from paramjax._types import Metrics, ModelState, Params, PyTree
from paramjax.populations._compiler_options import compiled, seconds_saved
from paramjax.populations._devices import fetched, placed
from paramjax.populations._first_state import HostStart
from paramjax.populations._functions import FUNCTIONS, Plateau
from paramjax.populations._mapped_loop import Carry, burst_for
from paramjax.populations._orders import Orders
from paramjax.populations._starts import PendingStarts
from paramjax.populations._traced_trainer import Numbers, TracedTrainer


class Shared(NamedTuple):
    """Inputs that all runs of a structure share, on the devices."""

    starts: PendingStarts  # leaves [seeds, ...]
    model_state: ModelState
    data: PyTree  # leaves [rows, ...]
    eval_data: PyTree  # SeedRows if seeds differ in the rows they are evaluated on


class Programs:
    """Programs that begin runs, advance them by a segment of steps, and evaluate them."""

    def __init__(
        self, traced: TracedTrainer, shared: Shared, orders: Orders, width: int, capacity: int,
        mesh: Mesh | None, plateau: Plateau | None = None,
    ) -> None:  # fmt: skip
        self.plateau = plateau
        self.traced, self.shared, self.orders, self.mesh = traced, shared, orders, mesh
        self.capacity = capacity
        self.runs = width * (1 if mesh is None else mesh.size)
        self.compile_seconds = self.uncached_seconds = 0.0  # as it was, and without a cache
        self._mapped = width > 1
        self._positions = _handed_on(traced)
        self._host = HostStart.of(traced, self.runs)
        self._compiled: dict[str, Any] = {}
        self._functions: dict[str, Any] = {}
        self._lock = threading.Lock()

    @property
    def burst(self) -> int:
        """Steps that a segment computes at least."""
        devices = 1 if self.mesh is None else self.mesh.size
        return burst_for(self.traced, self.runs // devices, self.capacity)

    def compile(self, numbers: Numbers, *, stepwise: bool) -> None:
        """Compile the programs that a layout needs, unless they are compiled already."""
        names = ("once", "measure") if stepwise else ("segment",)
        with self._lock:
            if all(name in self._compiled for name in names):
                return
            start, saved = time.perf_counter(), seconds_saved()
            seed_index = np.zeros(self.runs, np.int32)
            carry, needed = self._first_carry(numbers, seed_index)
            order = self.orders.shape if self.mesh is None else self.orders.block(0)
            if self._positions is None:
                needed["finish"] = (placed(numbers, self.mesh, split=True), carry)
            if self.plateau is not None:
                needed["tell"] = (carry, self._unmeasured())
            inputs = self._inputs(numbers, carry, seed_index, order, 0, 0, self.shared.eval_data)
            self._compile_all(needed | dict.fromkeys(names, inputs))
            taken = time.perf_counter() - start
            self.compile_seconds += taken
            self.uncached_seconds += taken + seconds_saved() - saved

    def begin(self, numbers: Numbers, seed_index: np.ndarray) -> Carry:
        """The carry before the first step."""
        if self._host is not None:
            whole = self._host.carry(
                numbers, seed_index, self.shared.starts, self.shared.model_state
            )
            placed_carry: Carry = placed(whole, self.mesh, split=True)
            return placed_carry
        carry: Carry = self._run("begin", *self._begin_inputs(numbers, seed_index))
        return carry

    def advance(
        self, numbers: Numbers, carry: Carry, seed_index: np.ndarray, first: int, count: int,
        eval_data: PyTree, *, stepwise: bool,
    ) -> tuple[Carry, Metrics, Metrics, Any]:  # fmt: skip
        """Train `count` steps from `first` on, then evaluate: carry, history, metrics, steps."""
        order, offset = self.orders.block(first), self.orders.offset(first)
        if not stepwise:
            inputs = self._inputs(numbers, carry, seed_index, order, offset, count, eval_data)
            segment: tuple[Carry, Metrics, Metrics, Any] = self._run("segment", *inputs)
            return segment
        reported = []
        for done in range(count):
            inputs = self._inputs(numbers, carry, seed_index, order, offset + done, 1, eval_data)
            carry, metrics = self._run("once", *inputs)
            reported.append(metrics)
        inputs = self._inputs(numbers, carry, seed_index, order, 0, 0, eval_data)
        measured = self._run("measure", *inputs)
        rows = fetched(reported, self.mesh)
        history = jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *rows) if rows else {}
        return carry, history, measured, np.full(self.runs, count)

    def kept(self, numbers: Numbers, carry: Carry) -> tuple[Params, ModelState]:
        """The parameters to evaluate and the model state of them, leaves [runs, ...]."""
        if self._positions is None:
            split = placed(numbers, self.mesh, split=True)
            params, model_state = self._run("finish", split, carry)
            return params, model_state
        leaves = jax.tree.leaves((numbers, carry.state))
        tree = jax.tree.structure(self.traced.kept.out)
        kept: Any = jax.tree.unflatten(tree, [leaves[index] for index in self._positions])
        return kept[0], kept[1]

    def tell(self, carry: Carry, measured: Metrics) -> Carry:
        """The carry after the plateaus of all runs were told how an evaluation went."""
        told: Carry = self._run("tell", carry, measured)
        return told

    def _run(self, name: str, *inputs: Any) -> Any:
        """Call a compiled program; what the switches of JAX forbid is an error that says so."""
        try:
            return self._compiled[name](*inputs)
        except Exception as error:
            if type(error).__name__ != "InternalFloatingPointError":
                raise
            raise FloatingPointError(
                f"the program {name!r} of a population made a number that jax_debug_nans or "
                "jax_debug_infs forbids; pj.fit with the same hyperparameters names the operation, "
                "and without the switch the record names the step"
            ) from error

    def bytes_of_a_call(self) -> int:
        """Bytes of one call under way, without the inputs that all calls share."""
        own = 0
        for program in self._compiled.values():
            sized = isinstance(program, jax.stages.Compiled)
            analysis = program.memory_analysis() if sized else None
            if analysis is not None:
                own = max(own, analysis.temp_size_in_bytes + analysis.output_size_in_bytes)
        return int(own)

    def _begin_inputs(
        self, numbers: Numbers, seed_index: np.ndarray, *, made: bool = True
    ) -> tuple[Any, ...]:
        split = placed((numbers, seed_index), self.mesh, split=True)
        starts = self.shared.starts.made() if made else self.shared.starts.shapes
        return (*split, starts, self.shared.model_state)

    def _unmeasured(self) -> Metrics:
        """Metrics of an evaluation, all of them 0."""
        shapes = self.traced.evaluate.out.items()
        zeros = {n: np.zeros((self.runs, *own.shape), own.dtype) for n, own in shapes}
        metrics: Metrics = placed(zeros, self.mesh, split=True)
        return metrics

    def _first_carry(self, numbers: Numbers, seed_index: np.ndarray) -> tuple[Any, dict[str, Any]]:
        """The first carry, and the inputs of the program that makes it, if one has to.

        Its shapes suffice on the default device; a mesh needs its sharding.
        """
        if self._host is not None:
            made = self.mesh is not None
            return (self.begin(numbers, seed_index) if made else self._host.shapes()), {}
        needed = {"begin": self._begin_inputs(numbers, seed_index, made=self.mesh is not None)}
        if self.mesh is None:
            return jax.eval_shape(self._function("begin"), *needed["begin"]), needed
        self._compile_all(needed)
        return self._run("begin", *needed["begin"]), {}

    def _compile_all(self, needed: dict[str, tuple[Any, ...]]) -> None:
        """Compile programs side by side, name -> inputs, unless they are compiled already.

        Under `jax_disable_jit` nothing is compiled, and each operation runs by itself.
        """
        if runs_uncompiled():
            self._compiled |= {name: self._function(name) for name in needed}
            return
        with sharing_cores():
            lowered = {
                name: self._function(name).lower(*inputs)
                for name, inputs in needed.items()
                if name not in self._compiled
            }
        options = [FUNCTIONS[name].options for name in lowered]
        with workers(max(1, len(lowered))) as pool:
            done = pool.map(compiled, lowered.values(), options)
            self._compiled |= zip(lowered, done, strict=True)

    def _inputs(
        self, numbers: Numbers, carry: Carry, seed_index: Any, order: Any, offset: int,
        count: int, eval_data: PyTree,
    ) -> tuple[Any, ...]:  # fmt: skip
        numbers, seed_index = placed((numbers, seed_index), self.mesh, split=True)
        counts = placed((np.int32(offset), np.int32(count)), self.mesh, split=False)
        return numbers, carry, seed_index, order, *counts, self.shared.data, eval_data

    def _function(self, name: str) -> Any:
        """The jitted function of a program, under the name that a profile shows."""
        if name not in self._functions:
            first = self.plateau if name == "tell" else self.traced
            form = first, self._mapped, self.capacity
            self._functions[name] = FUNCTIONS[name].jitted(name, form, self.mesh)
        return self._functions[name]


def _handed_on(traced: TracedTrainer) -> list[int] | None:
    """Indices of the leaves that are kept as they are; None if some are computed."""
    jaxpr = traced.kept.jaxpr.jaxpr
    indices = {id(variable): index for index, variable in enumerate(jaxpr.invars)}
    found = [indices.get(id(variable)) for variable in jaxpr.outvars]
    return None if None in found else [index for index in found if index is not None]
