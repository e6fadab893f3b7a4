"""What the programs of a population compute: inputs -> outputs, for one run or mapped ones.

Outside of them each array of runs has an axis of runs, that of a single run, too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from paramjax._types import Array, Metrics, PyTree
from paramjax.populations import _mapped_loop as loop
from paramjax.populations import _single_run as single
from paramjax.populations._compiler_options import RUN_OFTEN, RUN_ONCE, Options
from paramjax.populations._devices import over_devices
from paramjax.populations._mapped_loop import Carry, Reading
from paramjax.populations._traced_trainer import TracedTrainer


class Plateau(NamedTuple):
    """When `reduce_on_plateau` is told how evaluations go, and by which metric."""

    steps: frozenset[int]
    metric: str
    maximise: bool

    def score(self, metrics: Metrics) -> Array:
        """The metric as `fit` gives it: the lower the better, infinite if it is not finite."""
        value = jnp.asarray(metrics[self.metric], float)
        return jnp.where(jnp.isfinite(value), -value if self.maximise else value, jnp.inf)


def _begin(traced: TracedTrainer, mapped: bool, capacity: int, *inputs: Any) -> Carry:
    del capacity
    numbers, seed_index, starts, model_state = inputs
    numbers, seed_index = _single(mapped, (numbers, seed_index))
    carry = loop.begin(traced, mapped, numbers, seed_index, starts, model_state)
    whole: Carry = _again(mapped, carry)
    return whole


def _segment(traced: TracedTrainer, mapped: bool, capacity: int, *inputs: Any) -> Any:
    numbers, carry, seed_index, order, offset, count, data, eval_data = inputs
    numbers, carry, seed_index = _single(mapped, (numbers, carry, seed_index))
    reading = Reading(order, seed_index, offset, count)
    if mapped or loop.burst_for(traced, 1, capacity) > 1:
        advanced = loop.advance(traced, mapped, capacity, numbers, carry, reading, data)
    else:
        advanced = single.advance(traced, capacity, numbers, carry, reading, data)
    carry, history, computed = advanced
    measured = loop.evaluate(traced, mapped, numbers, carry, seed_index, eval_data)
    if mapped:
        history = jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), history)
    return _again(mapped, (carry, history, measured, computed))


def _once(traced: TracedTrainer, mapped: bool, capacity: int, *inputs: Any) -> Any:
    del capacity
    numbers, carry, seed_index, order, offset, count, data, _ = inputs
    numbers, carry, seed_index = _single(mapped, (numbers, carry, seed_index))
    batch = loop.batch_of(Reading(order, seed_index, offset, count), jnp.int32(0), data)
    return _again(mapped, loop.step(traced, mapped, numbers, carry, batch, shared=order is None))


def _measure(traced: TracedTrainer, mapped: bool, capacity: int, *inputs: Any) -> Metrics:
    del capacity
    numbers, carry, seed_index, *_, eval_data = inputs
    numbers, carry, seed_index = _single(mapped, (numbers, carry, seed_index))
    measured = loop.evaluate(traced, mapped, numbers, carry, seed_index, eval_data)
    metrics: Metrics = _again(mapped, measured)
    return metrics


def _finish(traced: TracedTrainer, mapped: bool, capacity: int, *inputs: Any) -> Any:
    del capacity
    numbers, carry = _single(mapped, inputs)
    kept = traced.kept.call
    return _again(mapped, (jax.vmap(kept) if mapped else kept)(numbers, carry.state))


def _tell(plateau: Plateau, mapped: bool, capacity: int, *inputs: Any) -> Carry:
    del capacity
    carry, measured = _single(mapped, inputs)
    told: Carry = _again(mapped, loop.tell(mapped, carry, plateau.score(measured)))
    return told


def _single(mapped: bool, tree: PyTree) -> PyTree:
    """The single run without its axis; mapped runs as they are."""
    return tree if mapped else jax.tree.map(lambda leaf: leaf[0], tree)


def _again(mapped: bool, tree: PyTree) -> PyTree:
    """The single run with its axis again; mapped runs as they are."""
    return tree if mapped else jax.tree.map(lambda leaf: leaf[None], tree)


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function under a name that the compilation cache and a profile show."""

    def program(*inputs: Any) -> Any:
        return function(*inputs)

    program.__name__ = program.__qualname__ = f"population_{name}"
    return program


class _Function(NamedTuple):
    """A function, and how it is compiled."""

    call: Callable[..., Any]  # (trainer or plateau, mapped, capacity, *inputs) -> outputs
    split: Sequence[bool]  # which inputs have an axis of runs
    donated: tuple[int, ...]  # inputs whose memory is taken over
    options: Options

    def jitted(self, name: str, form: tuple[Any, ...], mesh: Mesh | None) -> Any:
        """Compiled for a form, the arguments before the inputs, when it is called or lowered."""
        local = _named(functools.partial(self.call, *form), name)
        return jax.jit(over_devices(local, mesh, self.split), donate_argnums=self.donated)


_SEGMENT_SPLIT = (True, True, True, False, False, False, False, False)

FUNCTIONS = {
    "begin": _Function(_begin, (True, True, False, False), (), RUN_ONCE),
    "segment": _Function(_segment, _SEGMENT_SPLIT, (1,), RUN_OFTEN),
    "once": _Function(_once, _SEGMENT_SPLIT, (1,), RUN_OFTEN),
    "finish": _Function(_finish, (True, True), (), RUN_OFTEN),
    "tell": _Function(_tell, (True, True), (0,), RUN_ONCE),
    "measure": _Function(_measure, _SEGMENT_SPLIT, (), RUN_OFTEN),
}
"""The functions by the names of their programs."""
