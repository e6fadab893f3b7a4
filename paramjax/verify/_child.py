"""A process of `paramjax verify`: `python -m paramjax.verify._child TASK FOLDER KEY STEPS`.

The command itself leaves the accelerator alone, so that one process at a time has it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from paramjax.verify import _runs as runs
from paramjax.verify import _tolerances as tolerances
from paramjax.verify._problem import ReferenceProblem, make_problem
from paramjax.verify._results import save_facts, save_result

Results = dict[str, Any]


def first(problem: ReferenceProblem, steps: int, folder: Path) -> Results:
    """The run that others are compared with, and once more in the same process."""
    save_facts(folder, _facts())
    return {"first": runs.whole(problem, steps), "second": runs.whole(problem, steps)}


def again(problem: ReferenceProblem, steps: int, folder: Path) -> Results:
    """The same run in another process."""
    return {"again": runs.whole(problem, steps)}


def resumed(problem: ReferenceProblem, steps: int, folder: Path) -> Results:
    """The same run from its checkpoints on, wherever the last process was killed."""
    return {"resumed": runs.everything(runs.resumed(problem, steps, folder / "killed"))}


def cuts(problem: ReferenceProblem, steps: int, folder: Path) -> Results:
    """A shorter run in few chunks, whole and resumed, and the same on a stream."""
    steps = max(1, steps // 4)
    return {
        "whole": runs.everything(runs.run(problem, steps)),
        "cut": runs.everything(runs.cut(problem, steps, folder / "cut")),
        "stream": runs.everything(runs.streamed(problem, steps)),
        "cut stream": runs.everything(runs.streamed(problem, steps, folder / "cut stream")),
    }


def devices(problem: ReferenceProblem, steps: int, folder: Path) -> Results:
    """Runs on one device and on several."""
    return dict(tolerances.on_devices(problem))


def population(problem: ReferenceProblem, steps: int, folder: Path) -> Results:
    """Single runs and the same runs in a population."""
    mapped, alone = tolerances.in_population(problem), tolerances.single(problem)
    return {"alone": alone._asdict(), "in a population": mapped._asdict()}


TASKS: dict[str, Callable[[ReferenceProblem, int, Path], Results]] = {
    task.__name__: task for task in (first, again, resumed, cuts, devices, population)
}


def _facts() -> dict[str, Any]:
    """What the results may depend on, as the run itself sees it."""
    device = jax.devices()[0]
    precision = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    return {
        "platform": device.platform,
        "device_kind": device.device_kind,
        "devices": jax.device_count(),
        "matmul_precision": precision or "default",
        "x64": bool(jax.config.jax_enable_x64),  # type: ignore[attr-defined]
        "flags": os.environ.get("XLA_FLAGS", ""),
    }


def main(words: list[str]) -> None:
    """Do a task, and save its results."""
    task, folder, key, steps = words
    problem = make_problem(int(key))
    for name, result in TASKS[task](problem, int(steps), Path(folder)).items():
        save_result(Path(folder), name, result)


if __name__ == "__main__":
    main(sys.argv[1:])
