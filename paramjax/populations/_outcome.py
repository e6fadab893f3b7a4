"""What is known of one training so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from paramjax._types import Params, PyTree
from paramjax.populations._chunk_result import ChunkResult, records
from paramjax.populations._trial_run import Record


class Summary(NamedTuple):
    """What is known of one training without its arrays.

    Attributes:
        record: Its record.
        reached: The rung that its chunk reached, in steps; a diverged one did fewer.
        computed: Steps that were computed for it: its own, those after it was lost, those of
            lanes that only fill a call, and those that were trained again.
    """

    record: Record
    reached: int
    computed: int


class Outcome(NamedTuple):
    """What is known of one training so far.

    Attributes:
        record: Its record.
        reached: See `Summary`.
        computed: See `Summary`.
        params: Parameters to evaluate.
        history: Metric name -> [steps].
        curve: Metric name -> [evaluations].
        resume_state: What the next steps go on from, None after the last step.
    """

    record: Record
    reached: int
    computed: int
    params: Params
    history: dict[str, np.ndarray]
    curve: dict[str, np.ndarray]
    resume_state: PyTree = None

    @property
    def summary(self) -> Summary:
        """What is known of it without its arrays."""
        return Summary(self.record, self.reached, self.computed)


def outcomes(chunk: ChunkResult, reached: int, before: Sequence[Outcome] = ()) -> list[Outcome]:
    """What a chunk says of each of its runs."""
    whole = _joined(before, chunk) if before else chunk
    computed = chunk.computed.tolist()
    if before:
        computed = [own + b.computed for own, b in zip(computed, before, strict=True)]

    tree: Any
    leaves, tree = jax.tree.flatten((whole.params, whole.history, whole.curve, whole.resume_state))
    return [
        Outcome(record, reached, own, *tree.unflatten([leaf[index] for leaf in leaves]))
        for index, (record, own) in enumerate(zip(records(whole), computed, strict=True))
    ]


def _joined(before: Sequence[Outcome], chunk: ChunkResult) -> ChunkResult:
    """Histories and curves from the first step on."""

    def both(name: str) -> dict[str, np.ndarray]:
        earlier = [getattr(outcome, name) for outcome in before]
        return {
            key: np.concatenate([np.stack([own[key] for own in earlier]), values], axis=1)
            for key, values in getattr(chunk, name).items()
        }

    steps = before[0].record.curve["step"]
    return chunk._replace(
        evaluation_steps=(*map(int, steps), *chunk.evaluation_steps),
        history=both("history"),
        curve=both("curve"),
    )
