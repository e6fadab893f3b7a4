"""The programs of a run: its beginning, and chunks of its steps.

The number of steps of a chunk is traced, so one program serves chunks of any length: where a run
is cut, for a validation, a checkpoint or by a kill, never changes a bit. A chunk keeps no state of
before: it takes all of its steps, and the host sees from their metrics whether one was not finite.
The state before that one is found by the same steps once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._arrays import nbytes
from paramjax._checks import is_key
from paramjax._jaxprs import Live
from paramjax._programs import owned_jit
from paramjax._types import Array, Batch, Key, ModelState, Params, PyTree
from paramjax.runs._batch_spec import BatchSpec, batch_at, rest_batch
from paramjax.runs._metric_rows import MetricRows
from paramjax.runs._step_loop import Progress, one_step, steps_until
from paramjax.step._metrics import check_metrics
from paramjax.step._state import Trainer, TrainState

_CHUNK_STEPS = 2**16
"""Steps of a chunk at most: of the smallest models they take a tenth of a second."""

_BUFFER_BYTES = 2**24
"""Metrics that a chunk may hold at most."""

_CHUNK_SECONDS = 0.2
"""Aimed at for a chunk: long beside the host's work between two, short enough to follow."""

_GROWTH = 8
"""Times longer that a chunk may be than the one before."""

REFUSING = ("loss", "grad_norm")
"""Metrics that must be finite, as far as a step reports them."""


class Chunk(NamedTuple):
    """What a chunk leaves.

    Attributes:
        state: The state after its last step.
        rows: The metrics of its steps.
    """

    state: TrainState
    rows: MetricRows


class ChunkSizing:
    """How many `steps` the next chunk should take, so that the host's share is small.

    On an accelerator it is a number of whole bursts.

    Example:
        >>> sizing = ChunkSizing()
        >>> sizing.steps
        1
        >>> sizing.measured(1, 5.0)  # with the compilation, so that it says nothing
        >>> sizing.measured(1, 0.001)
        >>> sizing.steps
        8
        >>> sizing.measured(8, 0.4)
        >>> sizing.steps
        4
    """

    def __init__(self, burst: int = 1) -> None:
        self.steps = self._burst = burst
        self._compiled = False

    def measured(self, steps: int, seconds: float) -> None:
        """Learn from a chunk: the steps it took, and the seconds from its call to its results."""
        if not self._compiled:
            self._compiled = True
            return
        wanted = int(_CHUNK_SECONDS * steps / max(seconds, 1e-9))
        bursts = min(wanted, _GROWTH * max(steps, self.steps)) // self._burst
        self.steps = self._burst * max(1, bursts)


def finite_steps(trainer: Trainer, metrics: Mapping[str, np.ndarray]) -> int:
    """How many steps there are before the first one to refuse; all unless a hook guards them."""
    finite: Any = np.isfinite(metrics["loss"])
    for name in REFUSING:
        if name in metrics:
            finite = finite & np.isfinite(metrics[name])
    return len(finite) if trainer.guards_nonfinite or finite.all() else int(finite.argmin())


@owned_jit()
def begin(trainer: Trainer, params: Params, model_state: ModelState, state_key: Key) -> TrainState:
    """The first state of a run."""
    state = trainer.init(state_key, params, model_state)
    # in memory of its own, because chunks take their state's memory over
    copied: TrainState = jax.tree.map(lambda leaf: leaf if is_key(leaf) else jnp.copy(leaf), state)
    return copied


def advance(
    trainer: Trainer,
    spec: BatchSpec,
    state: TrainState,
    data: PyTree,
    rows: Array | None,
    first: int,
    steps: int,
) -> Chunk:
    """At most `steps` steps; where the spec does not say stop, the memory of the state is reused.

    Args:
        trainer: What a step is.
        spec: How the data is cut into batches.
        state: The state before the first step.
        data: Leaves [rows, ...], or a stack of batches of a stream [steps, batch, ...].
        rows: Rows of each step of a block, int32[steps, batch]; None without a batch size.
        first: Number of the first step in the block or in the stack, in which the others lie, too.
        steps: Most steps, positive.
    """
    # numbers of numpy, for those of jax would be put on the device by programs of their own
    numbers = np.int32(first), np.int32(steps)
    chunk: Chunk = program_of(trainer, spec)(state, data, rows, *numbers)
    return chunk


def program_of(trainer: Trainer, spec: BatchSpec) -> Any:
    """The jitted function of a chunk, of all but trainer and spec."""
    return (_chunk if spec.stop else _chunk_in_place).of(trainer, spec)


def _steps(
    trainer: Trainer,
    spec: BatchSpec,
    state: TrainState,
    data: PyTree,
    rows: Array | None,
    first: Array,
    steps: Array,
) -> Chunk:
    def batch(done: Array) -> Batch:
        return batch_at(spec, data, rows, first + done)

    stack = [] if spec.rows else jax.tree.leaves(data)
    most = stack[0].shape[0] if stack else _CHUNK_STEPS
    step = _Step(trainer, spec, state, batch, most)
    steps = jnp.minimum(steps, step.capacity)
    if rows is None or not spec.has_rest:
        return step.chunk(step.until(batch, step.begin(state), steps))

    def epoch(progress: Progress) -> Progress:
        rest = spec.per_epoch - 1 - (first + progress.done) % spec.per_epoch
        progress = step.until(batch, progress, jnp.minimum(steps, progress.done + rest))
        progress = jax.lax.cond(
            progress.done < steps,
            lambda own: step.once(rest_batch(spec, data, rows, first + own.done), own),
            lambda own: own,
            progress,
        )
        return progress

    return step.chunk(jax.lax.while_loop(lambda own: own.done < steps, epoch, step.begin(state)))


_chunk, _chunk_in_place = (
    owned_jit(static=2)(_steps),
    owned_jit(static=2, donate_argnames="state")(_steps),
)


class _Step:
    """One step with its metrics written down, traced once however often it is used."""

    def __init__(
        self,
        trainer: Trainer,
        spec: BatchSpec,
        state: TrainState,
        batch: Callable[[Array], Batch],
        most: int,
    ) -> None:
        self._step = Live(trainer.step)
        _, self._shapes = jax.eval_shape(lambda: self._step(state, batch(jnp.int32(0))))
        check_metrics("trainer", self._shapes)
        if "loss" not in self._shapes:
            raise ValueError(
                f"trainer: the metrics of its step hold no 'loss', got {sorted(self._shapes)}; "
                "pj.train_step and pj.step.assemble report one"
            )
        self.capacity = min(most, max(1, _BUFFER_BYTES // max(1, nbytes(self._shapes))))
        self._burst = min(spec.burst, most)

    def begin(self, state: TrainState) -> Progress:
        """The progress before the first step."""
        room = MetricRows.room(self._shapes, self.capacity, self._burst - 1)
        return Progress(state, jnp.int32(0), room)

    def until(self, batch: Callable[[Array], Batch], progress: Progress, end: Array) -> Progress:
        """Steps until as many as `end` are done in the chunk."""
        return steps_until(self._step, batch, progress, end, self._burst)

    def once(self, batch: Batch, progress: Progress) -> Progress:
        """One step."""
        return one_step(self._step, batch, progress)

    def chunk(self, progress: Progress) -> Chunk:
        """What the steps leave."""
        return Chunk(progress.state, progress.rows)
