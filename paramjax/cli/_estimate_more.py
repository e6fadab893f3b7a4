"""Profiles and the bootstrap of the command `estimate`: their tables, records and panels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from paramjax._format import number, printable
from paramjax.estimate import Estimate, bootstrap, profile
from paramjax.estimate.summaries._figure import profile_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 9
"""Profiles that one figure holds."""


class Further(NamedTuple):
    """A further answer of the command.

    Attributes:
        name: Of its entry in the record, and of its plot.
        text: Its table.
        record: Its figures, as values of JSON.
        panels: Functions that draw.
    """

    name: str
    text: str
    record: dict[str, Any]
    panels: Sequence[Callable[[Axes], object]]


def further(
    found: Estimate, replicates: int | None, level: float, key: int, *, profiled: bool
) -> list[Further]:
    """What was asked for beside the summary."""
    answers = [_profile(found, level)] if profiled else []
    if replicates is not None:
        answers.append(_bootstrap(found, replicates, level, key))
    return answers


def _profile(found: Estimate, level: float) -> Further:
    made = profile(found, level=max(level, 0.99))
    low, high = map(found.parameters.flat, made.interval(level))
    columns = {"estimate": found.theta, "low": low, "high": high}
    record = {"level": level, **_by_name(found, columns), "notes": list(made.notes)}
    text = _table(f"Profile-likelihood intervals, level {level:g}", found, columns, made.notes)
    panels = profile_panels(made, level)[:_MOST]
    return Further("profile", text, record, panels)


def _bootstrap(found: Estimate, replicates: int, level: float, key: int) -> Further:
    made = bootstrap(found, jax.random.key(key), replicates)
    flat = found.parameters.flat
    low, high = map(flat, made.interval(level))
    errors = flat(made.stderr)
    columns = {"estimate": found.theta, "stderr": errors, "low": low, "high": high}
    failed = int(sum(made.failed.values()))
    record = {
        "level": level, "replicates": replicates, "failed": failed, **_by_name(found, columns),
        "notes": list(made.notes),
    }  # fmt: skip
    title = f"Bootstrap of {replicates:,} resamples of the rows, percentile intervals, {level:g}"
    return Further("bootstrap", _table(title, found, columns, made.notes), record, [])


def _by_name(found: Estimate, columns: dict[str, np.ndarray]) -> dict[str, Any]:
    return {
        "parameters": {
            name: {head: float(values[at]) for head, values in columns.items()}
            for at, name in enumerate(found.names)
        }
    }


def _table(
    title: str, found: Estimate, columns: dict[str, np.ndarray], notes: Sequence[str]
) -> str:
    names = [printable(name) for name in found.names]
    width = max(12, *map(len, names)) if names else 12
    width = min(width, 78 - 14 * len(columns))
    lines = ["", title, f"{'':<{width}}{''.join(f'{head:>14}' for head in columns)}"]
    for at, name in enumerate(names):
        cells = "".join(f"{number(float(values[at]), 6):>14}" for values in columns.values())
        lines += (
            [name, f"{'':<{width}}{cells}"] if len(name) > width else [f"{name:<{width}}{cells}"]
        )
    return "\n".join([*lines, *(f"note: {printable(note)}" for note in notes)])
