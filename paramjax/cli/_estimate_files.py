"""What the command `estimate` writes: the text, the record, the plots."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paramjax._files import atomic_write
from paramjax._format import without_nonfinite
from paramjax.cli._estimate_more import Further
from paramjax.cli._formula_problem import Problem
from paramjax.cli._terminal import warn
from paramjax.estimate import Estimate
from paramjax.estimate.summaries._figure import panels_of
from paramjax.plots import panel_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    Panels = Sequence[Callable[[Axes], object]]


def record_of(found: Estimate, problem: Problem, level: float) -> dict[str, Any]:
    """The estimate as values of JSON."""
    summary = found.summary(level)
    return {
        "file": problem.file,
        "formula": problem.model.text,
        "outcome": str(found.outcome),
        "rows": found.rows,
        "dof": found.dof,
        "parameters": {
            row.name: {
                "estimate": row.estimate, "stderr": row.error, summary.symbol: row.ratio,
                "p_value": row.p_value, "low": row.low, "high": row.high,
            }
            for row in summary.rows
        },
        "level": level,
        "covariance": found.covariance.tolist(),
        "covariance_kind": found.covariance_kind,
        "sum_of_squares": found.value,
        "residual_variance": found.scale,
        "statistics": dict(found.statistics),
        "start": {name: v for name, v in problem.start.items() if name not in problem.fixed},
        "fixed": {name: problem.start[name] for name in problem.fixed},
        "notes": list(found.notes),
    }  # fmt: skip


def write_files(
    folder: Path, found: Estimate, problem: Problem, more: Sequence[Further], text: str,
    record: dict[str, Any], level: float,
) -> list[str]:  # fmt: skip
    """Write summary.txt, result.json and the plots; their names.

    Raises:
        OSError: If the folder cannot be made, or a file not written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoded = json.dumps(without_nonfinite(record), indent=1, allow_nan=False)
    for name, content in (("summary.txt", text), ("result.json", encoded)):
        with atomic_write(folder.absolute() / name) as file:
            file.write(f"{content}\n".encode())
    try:
        drawn = _draw(folder, found, problem, more, level)
    except ModuleNotFoundError as error:
        warn(f"no plots: {error}")
        drawn = []
    return ["summary.txt", "result.json", *drawn]


def _draw(
    folder: Path, found: Estimate, problem: Problem, more: Sequence[Further], level: float
) -> list[str]:
    """Save the figures; their names."""
    inputs = [name for name in problem.columns if name in problem.model.names]
    labels = (inputs[0] if inputs else "", problem.response_text)
    panels = panels_of(found, level, labels)
    figures: dict[str, Panels] = {
        "fit": [panels["fit"]] if inputs and "fit" in panels else [],
        "residuals": [panels[name] for name in ("residuals", "quantiles") if name in panels],
        "estimates": [panels["estimates"]] if "estimates" in panels else [],
        "correlation": [panels["correlation"]] if "correlation" in panels else [],
        **{one.name: one.panels for one in more},
    }
    files = []
    for name, drawn in figures.items():
        if drawn:
            files.append(f"{name}.png")
            panel_figure(drawn).savefig(folder / files[-1], dpi=130)
    return files
