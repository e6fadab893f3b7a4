"""What is known of one training so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from paramjax.sweep.engine import Part, record_of
from paramjax.sweep.runs import Record
from paramjax.types import Params, PyTree


class Outcome(NamedTuple):
    """What is known of one training so far.

    Attributes:
        record: Its record.
        reached: The rung that its chunk reached, in steps; a diverged one did fewer.
        computed: Steps that were computed for it: its own, those after it was lost, and those
            of lanes that only fill a call.
        params: Parameters to evaluate.
        history: Metric name -> [steps].
        curve: Metric name -> [evaluations].
        carried: What the next steps go on from, None where there are none.
    """

    record: Record
    reached: int
    computed: int
    params: Params
    history: dict[str, np.ndarray]
    curve: dict[str, np.ndarray]
    carried: PyTree = None


def outcomes(part: Part, reached: int, before: Sequence[Outcome] = ()) -> list[Outcome]:
    """What a part says of each of its runs.

    Args:
        part: What came of some runs.
        reached: Steps that they reached.
        before: What was known of them, if they go on from there.

    Returns:
        One outcome a run.
    """
    whole = _joined(before, part) if before else part
    computed = part.computed.tolist()
    if before:
        computed = [own + b.computed for own, b in zip(computed, before, strict=True)]

    def one(place: int) -> Outcome:
        def own(tree: PyTree) -> PyTree:
            return jax.tree.map(lambda leaf: leaf[place], tree)

        return Outcome(
            record_of(whole, place), reached, computed[place], own(whole.params),
            own(whole.history), own(whole.curve), own(whole.carried),
        )  # fmt: skip

    return [one(place) for place in range(len(part.runs))]


def _joined(before: Sequence[Outcome], part: Part) -> Part:
    """Histories and curves from the first step on."""

    def both(name: str) -> dict[str, np.ndarray]:
        earlier = [getattr(outcome, name) for outcome in before]
        return {
            key: np.concatenate([np.stack([own[key] for own in earlier]), values], axis=1)
            for key, values in getattr(part, name).items()
        }

    steps = before[0].record.curve["step"]
    return part._replace(
        points=(*map(int, steps), *part.points), history=both("history"), curve=both("curve")
    )
